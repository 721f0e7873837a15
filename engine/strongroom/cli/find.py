"""strongroom find"""

from __future__ import annotations

import click

from strongroom.cli.console import Console, put
from strongroom.cli.opening import listed, open_repository, shown, size_words, time_words
from strongroom.cli.options import with_console, with_freshness, with_repository
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.manifest.entry import FOLDER
from strongroom.ops.exclude import Excludes
from strongroom.stores.local import LocalStore


@click.command("find")
@click.argument("patterns", nargs=-1, required=True, metavar="PATTERN...")
@click.option("-s", "--snapshot", "names", multiple=True, metavar="SNAP", help="Only in this one.")
@with_freshness
@with_repository
@with_secret
@with_console
def command(
    *,
    patterns: tuple[str, ...],
    names: tuple[str, ...],
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Find paths in snapshots, by patterns as backup --exclude takes them.

    Without a slash a pattern matches names at any depth. What lies in a folder that matches is
    not listed with it; ls does that.

    \b
    strongroom find -r /mnt/backup '*.mkv'
    strongroom find -r /mnt/backup -s latest 'Films/**/2024*'
    """
    wanted = Excludes(patterns)
    with open_repository(store, secret, console) as repository:
        found = [repository.snapshot(name) for name in names] or repository.snapshots()
        for saved in found:
            for entry in saved.entries():
                if not wanted.covers(entry.path, folder=entry.type == FOLDER):
                    continue
                if console.as_json:
                    console.emit(
                        snapshot=saved.id,
                        path=shown(entry.path),
                        size=entry.size,
                        mtime_ns=entry.mtime_ns,
                    )
                else:
                    size, when = size_words(entry.size), time_words(entry.mtime_ns)
                    put(f"{saved.id[:8]}  {when}  {size:>10}  {listed(entry.path)}")
