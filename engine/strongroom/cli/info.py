"""strongroom info"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import click

from strongroom import __version__
from strongroom._core.build import build_info
from strongroom.cli.console import Console, printable, put
from strongroom.cli.opening import freshness_fields
from strongroom.cli.options import (
    FILE,
    accepts_rollback,
    names_files,
    with_console,
    with_freshness,
)
from strongroom.keys.envelope import NAMES
from strongroom.ops.describe import RepositoryInfo, describe_repository
from strongroom.ops.inspect import SealedInfo, inspect_file

# What the kernels gain from, fastest first, on processors of the kind this runs on.
_WISHED = {"x86_64": ("vaes", "vpclmulqdq", "avx512f", "avx2", "aes")}


@click.command("info")
@click.argument("file", required=False, type=FILE)
@click.option(
    "-r",
    "--repo",
    metavar="URL",
    shell_complete=names_files,
    help="Describe a repository; no key is needed.",
)
@with_freshness
@with_console
def command(*, file: Path | None, repo: str | None, console: Console) -> None:
    """Describe this installation, a repository, or what a sealed FILE says of itself.

    Of a repository it shows the head, the newest entry of its log: where two machines see the same
    one, they see the same snapshots.

    \b
    strongroom info
    strongroom info film.mkv.sealed --json
    strongroom info -r /mnt/backup
    """
    if repo is not None:
        if file is not None:
            raise click.UsageError("either a FILE is described or a repository")
        described = describe_repository(repo, accept_rollback=accepts_rollback())
        for words in described.warnings:
            console.say(f"strongroom: warning: {words}")
        _show(_repository(repo, described), console)
    elif file is None:
        _show(_installation(), console)
    else:
        _show({"file": str(file), **_sealed(inspect_file(file))}, console)


def _installation() -> dict[str, object]:
    build = build_info()
    return {
        "strongroom": __version__,
        "python": platform.python_version(),
        "openssl": build.openssl,
        "blake3": build.blake3,
        "zstd": build.zstd,
        "cryptography": version("cryptography"),
        "machine": platform.machine(),
        "cpu_features": list(build.cpu_features),
        "slower_than_could_be": [*build.notes, *_missing(build.cpu_features)],
    }


def _missing(features: tuple[str, ...]) -> list[str]:
    wished = _WISHED.get(platform.machine(), ())
    return [f"this processor has no {name}" for name in wished if name not in features]


def _repository(url: str, found: RepositoryInfo) -> dict[str, object]:
    return {
        "repository": url,
        "repo_id": found.repo_id.hex(),
        "public_key": found.public_key.hex(),
        **freshness_fields(found.freshness, found.head),
        "segments": found.segments,
        "stored_bytes": found.stored_bytes,
    }


def _sealed(info: SealedInfo) -> dict[str, object]:
    envelopes: list[dict[str, object]] = []
    for kind in info.envelope_types:
        envelope: dict[str, object] = {"type": NAMES[kind]}
        if NAMES[kind] == "password" and info.password_kdf is not None:
            kdf = info.password_kdf
            envelope |= {
                "memory_kib": kdf.memory_kib,
                "passes": kdf.passes,
                "lanes": kdf.lanes,
            }
        envelopes.append(envelope)
    return {
        "version": info.version,
        "suite": info.suite,
        "type": "stream",
        "envelopes": envelopes,
        "frames": info.frames,
        "stored_bytes": info.stored_bytes,
        "root": info.root.hex(),
        "root_checked": False,
        "repo_id": info.repo_id.hex(),
        "session_id": info.session_id.hex(),
    }


def _show(fields: dict[str, object], console: Console) -> None:
    if console.as_json:
        console.emit(**fields)
        return
    for name, value in fields.items():
        put(f"{name.replace('_', ' '):<22}{printable(_words(value))}")


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value) or "nothing"
    if isinstance(value, dict):
        return " ".join(
            f"{name} {item}" if name != "type" else str(item) for name, item in value.items()
        )
    if value is None:
        return "nothing"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
