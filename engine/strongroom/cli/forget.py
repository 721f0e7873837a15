"""strongroom forget"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from strongroom.cli.console import Console, printable
from strongroom.cli.opening import open_repository, shown, snapshot_fields, time_words
from strongroom.cli.options import with_console, with_repository
from strongroom.cli.prune import prune_and_report
from strongroom.cli.secret_options import with_secret
from strongroom.cli.secrets import SecretOptions
from strongroom.ops.prune import PruneOptions
from strongroom.ops.retention import Policy, Verdict, parse_duration
from strongroom.repository.snapshots import Snapshot
from strongroom.stores.local import LocalStore

_COUNTED = {
    "last": "Keep the N newest.",
    "hourly": "Keep the newest of each of N hours.",
    "daily": "Keep the newest of each of N days.",
    "weekly": "Keep the newest of each of N weeks.",
    "monthly": "Keep the newest of each of N months.",
    "yearly": "Keep the newest of each of N years.",
}


def _with_policy(function: Callable[..., Any]) -> Callable[..., Any]:
    """--keep-..., gathered into `policy`."""

    @functools.wraps(function)
    def wrapped(*, keep_within: str | None, keep_tag: tuple[str, ...], **rest: Any) -> Any:
        counts = {name: rest.pop(f"keep_{name}") or 0 for name in _COUNTED}
        within = None if keep_within is None else parse_duration(keep_within)
        return function(policy=Policy(within=within, tags=keep_tag, **counts), **rest)

    options = [
        click.option("--keep-tag", metavar="T", multiple=True, help="Keep all with this tag."),
        click.option(
            "--keep-within",
            metavar="1y6m14d12h",
            help="Keep the two newest, and what is no more than that older.",
        ),
    ]
    for name, words in reversed(_COUNTED.items()):
        count = click.IntRange(min=1)
        options.append(click.option(f"--keep-{name}", metavar="N", type=count, help=words))
    for option in options:
        wrapped = option(wrapped)
    return wrapped


@click.command("forget")
@click.argument("names", metavar="[SNAP]...", nargs=-1)
@_with_policy
@click.option("--host", help="Look only at those of this host.")
@click.option("--tag", metavar="T", help="Look only at those with this tag.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be forgotten.")
@click.option("--prune", "and_prune", is_flag=True, help="Then prune, as the verb of that name.")
@with_repository
@with_secret
@with_console
def command(
    *,
    names: tuple[str, ...],
    policy: Policy,
    host: str | None,
    tag: str | None,
    dry_run: bool,
    and_prune: bool,
    store: LocalStore,
    secret: SecretOptions,
    console: Console,
) -> None:
    """Forget snapshots: those that are named, or those that no --keep option keeps.

    The options count for the snapshots of each host and the same paths by themselves, in UTC, and
    back from the newest snapshot, the one that was committed last, which always stays. A policy
    that keeps none of them is refused. What only forgotten snapshots needed stays stored until
    "strongroom prune".

    \b
    strongroom forget -r /mnt/backup 1f03
    strongroom forget -r /mnt/backup --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
    strongroom forget -r /mnt/backup --keep-last 30 --prune
    """

    def is_looked_at(snapshot: Snapshot) -> bool:
        return (host is None or snapshot.host == host) and (tag is None or tag in snapshot.tags)

    if names and (host is not None or tag is not None):
        raise click.UsageError("--host and --tag choose among all: name no snapshots with them")
    with open_repository(store, secret, console) as repository:
        verdicts = repository.upkeep.forget(
            names, policy=policy or None, only=is_looked_at, dry_run=dry_run
        )
        _report(verdicts, console, dry_run=dry_run)
        if and_prune and not dry_run:
            prune_and_report(repository, PruneOptions(), console)


def _report(verdicts: list[Verdict], console: Console, *, dry_run: bool) -> None:
    for verdict in verdicts:
        console.say(printable(_line(verdict, dry_run=dry_run)))
        forgotten = not verdict.reasons
        fields = snapshot_fields(verdict.snapshot)
        console.emit(forgotten=forgotten, reasons=verdict.reasons, **fields)
    count = sum(not verdict.reasons for verdict in verdicts)
    console.say(f"{'would forget' if dry_run else 'forgot'} {count}, kept {len(verdicts) - count}")
    console.emit(summary=True, dry_run=dry_run, forgotten=count, kept=len(verdicts) - count)


def _line(verdict: Verdict, *, dry_run: bool) -> str:
    info = verdict.snapshot
    why = "would forget" if dry_run else "forgot"
    if verdict.reasons:
        why = f"keep ({', '.join(verdict.reasons)})"
    paths = " ".join(shown(path) for path in info.paths)
    return f"{info.id.hex()[:8]}  {time_words(info.time)}  {info.host}  {why}  {paths}"
