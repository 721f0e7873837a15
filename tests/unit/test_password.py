"""Passwords, and what a guess may cost."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from strongroom import (
    KdfParameters,
    LimitError,
    Password,
    UnsupportedError,
    UsageError,
    open_bytes,
    seal_bytes,
)
from strongroom.keys import memory

MIB = 1024
GIB = 1024 * MIB
FLOOR = KdfParameters(64 * MIB, 3, 1)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose memory is what the files below this folder say."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal: 64000000 kB\nMemAvailable: 32000000 kB\n")
    return tmp_path


@pytest.mark.parametrize(
    "parameters",
    [(64 * MIB, 3, 1), (4096 * MIB, 16, 16), (64 * MIB + 1, 4, 2), (256 * MIB, 4, 4)],
)
def test_parameters_in_the_formats_range_are_accepted(parameters: tuple[int, int, int]) -> None:
    kdf = KdfParameters(*parameters)
    assert (kdf.memory_kib, kdf.passes, kdf.lanes) == parameters


@pytest.mark.parametrize(
    "parameters",
    [
        *[(64 * MIB - 1, 4, 4), (4096 * MIB + 1, 4, 4), (0, 4, 4), (-1, 4, 4), (2**32, 4, 4)],
        *[(256 * MIB, 2, 4), (256 * MIB, 17, 4), (256 * MIB, 0, 4)],
        *[(256 * MIB, 4, 0), (256 * MIB, 4, 17), (256 * MIB, 4, -1)],
    ],
)
def test_parameters_out_of_the_formats_range_are_refused(parameters: tuple[int, int, int]) -> None:
    with pytest.raises(UnsupportedError, match="out of range"):
        KdfParameters(*parameters)
    with pytest.raises(UnsupportedError, match="out of range"):
        KdfParameters()._replace(**dict(zip(KdfParameters._fields, parameters, strict=True)))


def test_what_is_written_by_default_is_256_mib_4_passes_4_lanes() -> None:
    assert KdfParameters() == KdfParameters(256 * MIB, 4, 4) == Password("x").kdf


@pytest.mark.parametrize("costly", [(GIB + 1, 4, 4), (256 * MIB, 9, 4), (4 * GIB, 16, 16)])
@pytest.mark.usefixtures("machine")
def test_more_than_1_gib_or_8_passes_needs_to_be_allowed(costly: tuple[int, int, int]) -> None:
    kdf = KdfParameters(*costly)
    with pytest.raises(LimitError, match="unusually costly") as caught:
        kdf.check(allow_costly=False)
    assert "--allow-kdf" in (caught.value.hint or "")
    kdf.check(allow_costly=True)


@pytest.mark.usefixtures("machine")
def test_1_gib_and_8_passes_need_no_permission() -> None:
    KdfParameters(GIB, 8, 16).check(allow_costly=False)


@pytest.mark.parametrize(("available_kib", "fits"), [(512 * MIB, True), (512 * MIB - 4, False)])
def test_half_of_the_available_memory_is_the_most(
    machine: Path, available_kib: int, fits: bool
) -> None:
    (machine / "meminfo").write_text(f"MemAvailable:   {available_kib} kB\n")
    if fits:
        KdfParameters(256 * MIB).check(allow_costly=False)
        return
    with pytest.raises(LimitError, match="256 MiB, more than half of the memory available"):
        KdfParameters(256 * MIB).check(allow_costly=True)


def test_a_containers_limit_counts_as_available_memory(machine: Path) -> None:
    (machine / "memory.max").write_text(f"{600 * 2**20}\n")
    (machine / "memory.current").write_text(f"{100 * 2**20}\n")
    assert memory.available_memory() == 500 * 2**20
    with pytest.raises(LimitError, match="memory available"):
        KdfParameters(256 * MIB).check(allow_costly=False)
    (machine / "memory.max").write_text("max\n")
    assert memory.available_memory() == 32_000_000 * 1024


def test_without_meminfo_half_of_the_physical_memory_counts(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert memory.available_memory() > 64 * 2**20


def test_a_container_over_its_limit_has_no_memory_left(machine: Path) -> None:
    (machine / "memory.max").write_text("100\n")
    (machine / "memory.current").write_text("200\n")
    assert memory.available_memory() == 0


COSTLY = """
import pathlib, sys
from strongroom import KdfParameters, LimitError, Password
from strongroom.keys import memory
memory._MEMINFO = pathlib.Path(sys.argv[1])
try:
    Password("x", allow_costly=True).stretch(bytes(32), KdfParameters(4096 * 1024, 3, 1))
except LimitError:
    status = pathlib.Path("/proc/self/status").read_text()
    print(status.split("VmHWM:")[1].split()[0])
"""


def test_memory_is_checked_before_it_is_taken(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable: 8388600 kB\n")
    run = [sys.executable, "-c", COSTLY, str(meminfo)]
    peak_kib = int(subprocess.run(run, capture_output=True, check=True).stdout)
    assert peak_kib < 150 * 1024


def test_nine_passes_open_only_when_allowed() -> None:
    sealed = seal_bytes(
        b"x", key=Password("p", kdf=KdfParameters(64 * MIB, 9, 1), allow_costly=True)
    )
    with pytest.raises(LimitError, match="unusually costly"):
        open_bytes(sealed, key=Password("p"))
    assert open_bytes(sealed, key=Password("p", allow_costly=True)) == b"x"


def test_an_empty_password_is_refused() -> None:
    with pytest.raises(UsageError, match="the password is empty"):
        Password("")


def test_a_password_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(UsageError, match="not valid UTF-8"):
        Password("a\udcff")


def test_an_e_with_an_accent_unlocks_however_it_was_typed() -> None:
    composed = unicodedata.normalize("NFC", "caf\u00e9")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    salt = bytes(32)
    same = Password(composed).stretch(salt, FLOOR)
    assert Password(decomposed).stretch(salt, FLOOR) == same
    assert Password("cafe").stretch(salt, FLOOR) != same


def test_argon2id_gives_what_the_reference_program_gives() -> None:
    # echo -n password | argon2 somesaltsomesaltsomesaltsomesalt -id -t 3 -k 65536 -p 1 -l 32 -r
    stretched = Password("password").stretch(b"somesalt" * 4, FLOOR)
    assert stretched.hex() == "ad8b7105e5c2d67fe27d3e05b42330933ae81bd4043ba86d3e639bcba381bed6"


def test_a_password_is_not_shown_or_pickled() -> None:
    password = Password("secret")
    assert repr(password) == str(password) == "Password(hidden)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(password)
