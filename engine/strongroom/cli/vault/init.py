"""strongroom vault init"""

from __future__ import annotations

from pathlib import Path

import click

from strongroom.cli.console import Console
from strongroom.cli.options import FILE, with_console
from strongroom.cli.secrets import read_secret_file
from strongroom.cli.vault.options import with_config
from strongroom.vault.server.service import make_vault


@click.command("init")
@click.option("--listen", default="127.0.0.1:8765", show_default=True, metavar="HOST:PORT")
@click.option("--witness", type=FILE, help="File on another disk that notices a store set back.")
@click.option("--tls-certificate", type=FILE, help="PEM; with --tls-key.")
@click.option("--tls-key", type=FILE, help="PEM.")
@click.option("--etcd", type=FILE, help="File with the lines of [etcd]: the rows are kept there.")
@click.option("--hsm", type=FILE, help="File with the lines of [hsm]: the keys are kept there.")
@with_config
@with_console
def command(
    *,
    config: Path,
    listen: str,
    witness: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    etcd: Path | None,
    hsm: Path | None,
    console: Console,
) -> None:
    """Make a vault: its configuration and, beside it, its key, its database, its accounts.

    With --etcd it has no database, and other machines serve it as well: give them the same files
    (docs/VAULT.md, 6). With --hsm its keys are made in a hardware module, and never leave it.

    \b
    strongroom vault init --config /etc/strongroom/vault.toml
    strongroom vault add-account --config /etc/strongroom/vault.toml anna --token-out anna.token
    strongroom vault serve --config /etc/strongroom/vault.toml
    """
    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate and --tls-key go together")
    tls = (
        None
        if tls_certificate is None or tls_key is None
        else (str(tls_certificate.absolute()), str(tls_key.absolute()))
    )
    seen = None if witness is None else str(witness.absolute())
    lines = None if etcd is None else read_secret_file(etcd).decode("utf-8", "replace")
    token = None if hsm is None else read_secret_file(hsm).decode("utf-8", "replace")
    make_vault(config, listen=listen, witness=seen, tls=tls, etcd=lines, hsm=token)
    where = "a copy of its key" if hsm is None else "what the token's maker has for copies of it"
    console.say(f"{config}: a new vault; keep {where}, apart from its rows")
    console.emit(config=str(config))
