"""Everyone that is compared, each as its manual says it should be used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.compare.contestant import CORPORA, Command, Contestant, Place
from bench.compare.tools import AbsentError, Tool, find
from bench.processes import machine
from strongroom import RootKey

PASSWORD = "correct horse battery staple"  # noqa: S105 - protects random bytes


def contestants(place: Place, say: Callable[[str, str], None]) -> list[Contestant]:
    """All that can be had here; `say` gets name and reason of the others."""
    place.password.write_text(PASSWORD + "\n")
    found: list[Contestant] = []
    for name, make in MAKERS.items():
        try:
            found += make(place)
        except AbsentError as error:
            say(name, str(error))
    return found


def _strongroom(place: Place) -> list[Contestant]:
    program = Path(sys.executable).with_name("strongroom")
    key = place.folder / "key"
    key.touch(mode=0o600)
    key.write_text(RootKey.generate().to_digits())
    with_key: Command = ["-r", place.repo, "-q", "--key-file", key]
    with_word: Command = ["-r", place.repo, "-q", "--password-file", place.password]
    digits: Command = ["--digits-out", place.home / "digits"]
    version = f"{machine()['strongroom']} ({machine()['commit']})"
    words = "AES-256-GCM, keyed BLAKE3; zstd 3 where it gains; lengths padded; fsync"
    return [
        Contestant(
            name,
            version,
            f"{words}; {what}",
            "",
            {
                "backup": [program, "backup", *secret, place.source],
                "unchanged": [program, "backup", *secret, place.source],
                "restore": [program, "restore", *secret, "latest", "--target", place.out],
                "verify": [program, "verify", *secret, "--data"],
            },
            before=[[program, "init", *secret, *more]],
        )
        for name, what, secret, more in (
            ("strongroom", "key from a file", with_key, []),
            ("strongroom, password", "Argon2id, 256 MiB, each time", with_word, digits),
        )
    ]


def _cp(place: Place) -> list[Contestant]:
    cp = find("cp")
    return [
        Contestant(
            "cp -r",
            cp.version,
            "unchanged: cp -ru; no fsync",
            "encryption, history, deduplication, compression, checksums, fsync",
            {
                "backup": [cp.path, "-r", place.source, place.repo],
                "unchanged": [cp.path, "-ru", f"{place.source}/.", place.repo],
                "restore": [cp.path, "-r", f"{place.repo}/.", place.out],
            },
            lacks={"verify": "keeps nothing to check against"},
        )
    ]


def _tar(place: Place) -> list[Contestant]:
    tar, zstd, age, keygen = find("tar"), find("zstd"), find("age"), find("age-keygen", peer="age")
    identity = place.folder / "age.key"
    identity.unlink(missing_ok=True)
    made = subprocess.run([keygen.path, "-o", identity], capture_output=True, text=True, check=True)
    recipient = made.stderr.split()[-1]
    pipe: Command = ["bash", "-o", "pipefail", "-c"]
    unpack = f'{age.path} -d -i "$0" "$1" | {zstd.path} -dqc | {tar.path}'
    return [
        Contestant(
            "tar | zstd | age",
            f"{tar.version}, {zstd.version}, {age.version}",
            "zstd -3 -T0; X25519, ChaCha20-Poly1305; verify: decrypt, decompress, list; no fsync",
            "history, deduplication, access to single files, checks without the key, fsync",
            {
                "backup": [
                    *pipe,
                    f'{tar.path} -C "$0" -c . | {zstd.path} -q -3 -T0 | {age.path} -r "$1" -o "$2"',
                    place.source,
                    recipient,
                    place.repo,
                ],
                "restore": [*pipe, f"{unpack} -x", identity, place.repo],
                "verify": [*pipe, f"{unpack} -t", identity, place.repo],
            },
            lacks={"unchanged": "stores everything again"},
        )
    ]


def _rclone(place: Place) -> list[Contestant]:
    rclone = find("rclone")
    obscured = subprocess.run(
        [rclone.path, "obscure", PASSWORD], capture_output=True, text=True, check=True
    )
    run: Command = [rclone.path, "--quiet", "--skip-links"]
    return [
        Contestant(
            "rclone crypt",
            rclone.version,
            "XSalsa20-Poly1305, names encrypted; scrypt each time; 4 transfers; unchanged: sizes"
            " and dates; verify: cryptcheck, which reads the source too; no fsync",
            "history, deduplication, compression, sizes and structure hidden, fsync",
            {
                "backup": [*run, "sync", place.source, "vault:"],
                "unchanged": [*run, "sync", place.source, "vault:"],
                "restore": [*run, "copy", "vault:", place.out],
                "verify": [*run, "cryptcheck", place.source, "vault:"],
            },
            environment={
                "RCLONE_CONFIG": str(place.home / "rclone.conf"),
                "RCLONE_CONFIG_VAULT_TYPE": "crypt",
                "RCLONE_CONFIG_VAULT_REMOTE": str(place.repo),
                "RCLONE_CONFIG_VAULT_PASSWORD": obscured.stdout.strip(),
            },
        )
    ]


def _restic(place: Place) -> list[Contestant]:
    restic = find("restic", asking="version")
    run: Command = [restic.path, "-q", "-r", place.repo, "-p", place.password]
    return [
        _restic_at(restic, run, place, level, on)
        for level, on in (("auto", CORPORA), ("off", ("media", "small", "own")), ("max", ("text",)))
    ]


def _restic_at(
    restic: Tool, run: Command, place: Place, level: str, on: Sequence[str]
) -> Contestant:
    backup: Command = [*run, "--compression", level, "backup", place.source]
    return Contestant(
        f"restic, {level}",
        restic.version,
        f"--compression {level}; AES-256-CTR, Poly1305, SHA-256; scrypt each time; local cache;"
        " fsync",
        "",
        {
            "backup": backup,
            "unchanged": backup,
            "restore": [*run, "restore", "latest", "--target", place.out],
            "verify": [*run, "check", "--read-data"],
        },
        before=[[*run, "init", "--repository-version", "2"]],
        on=on,
    )


def _borg1(place: Place) -> list[Contestant]:
    borg = find("borg", peer="borg1", series="1.")
    return [
        _borg1_at(borg, place, mode, compression, on)
        for mode, compression, on in (
            ("repokey", "lz4", CORPORA),
            ("repokey", "zstd,3", ("text",)),
            ("repokey-blake2", "lz4", ()),
        )
    ]


def _borg1_at(
    borg: Tool, place: Place, mode: str, compression: str, on: Sequence[str]
) -> Contestant:
    create: Command = [borg.path, "create", "-C", compression]
    mac = "BLAKE2b" if "blake2" in mode else "HMAC-SHA-256"
    return Contestant(
        f"borg 1, {compression.replace(',', ' ')}" + (", blake2" if "blake2" in mode else ""),
        borg.version,
        f"--encryption {mode} (AES-256-CTR, {mac}), -C {compression}; PBKDF2 each time; files"
        " cache; fsync",
        "",
        {
            "backup": [*create, f"{place.repo}::first", place.source],
            "unchanged": [*create, f"{place.repo}::{{now:%H%M%S%f}}", place.source],
            "restore": [borg.path, "extract", f"{place.repo}::first"],
            "verify": [borg.path, "check", "--verify-data", place.repo],
        },
        before=[[borg.path, "init", "--encryption", mode, place.repo]],
        environment=_borgs(place),
        on=on,
    )


def _borg2(place: Place) -> list[Contestant]:
    borg = find("borg", peer="borg2", series="2.")
    return [
        _borg2_at(borg, place, digest, compression, on)
        for digest, compression, on in (
            ("sha256", "lz4", CORPORA),
            ("sha256", "zstd,3", ("text",)),
            ("blake3", "lz4", ()),
        )
    ]


def _borg2_at(
    borg: Tool, place: Place, digest: str, compression: str, on: Sequence[str]
) -> Contestant:
    run: Command = [borg.path, "-r", place.repo]
    create: Command = [*run, "create", "-C", compression]
    return Contestant(
        f"borg 2, {compression.replace(',', ' ')}" + (", blake3" if digest == "blake3" else ""),
        borg.version,
        f"--encryption aes256-ocb --id-hash {digest} --key-location repokey, -C {compression};"
        " Argon2id each time; files cache; fsync",
        "",
        {
            "backup": [*create, "first", place.source],
            "unchanged": [*create, "again", place.source],
            "restore": [*run, "extract", "first"],
            "verify": [*run, "check", "--verify-data"],
        },
        before=[[*run, "repo-create", "--encryption", "aes256-ocb", "--id-hash", digest]],
        environment=_borgs(place),
        on=on,
    )


def _borgs(place: Place) -> dict[str, str]:
    return {"BORG_BASE_DIR": str(place.home), "BORG_PASSPHRASE": PASSWORD}


MAKERS: dict[str, Callable[[Place], Sequence[Contestant]]] = {
    "strongroom": _strongroom,
    "cp -r": _cp,
    "tar | zstd | age": _tar,
    "rclone crypt": _rclone,
    "restic": _restic,
    "borg 1": _borg1,
    "borg 2": _borg2,
}
