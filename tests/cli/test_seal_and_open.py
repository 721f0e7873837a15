"""strongroom seal, open, scrub and info on single files, spelled as documented."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, inspect_file, seal_bytes, seal_file

KEY = ("--key-file", "my.key")


@pytest.fixture
def film(tmp_path: Path, noise: bytes) -> Path:
    path = tmp_path / "film"
    path.write_bytes(noise)
    return path


@pytest.fixture
def sealed(film: Path, key: RootKey) -> Path:
    path = film.with_name("film.sealed")
    seal_file(film, path, key=key)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_open_returns_what_seal_took(program: Program, film: Path) -> None:
    run = program("seal", *KEY, "film", "-o", "film.sealed")
    assert (run.out, run.err) == (b"", "")
    run = program("open", *KEY, "film.sealed", "-o", "again")
    assert (run.out, run.err) == (b"", "")
    assert film.with_name("again").read_bytes() == film.read_bytes()
    assert names(film.parent) == ["again", "film", "film.sealed", "my.key"]


def test_python_dash_m_is_the_program_too(program: Program) -> None:
    module = [sys.executable, "-m", "strongroom", "--version"]
    assert subprocess.run(module, capture_output=True, check=True).stdout == (
        program("--version").out
    )


def test_seal_json_prints_the_root_that_scrub_takes(program: Program, film: Path) -> None:
    (line,) = program("seal", *KEY, "film", "-o", "film.sealed", "--json").lines
    size = film.with_name("film.sealed").stat().st_size
    assert line == {
        "input": "film",
        "output": "film.sealed",
        "root": line["root"],
        "frames": 4,
        "raw_bytes": film.stat().st_size,
        "stored_bytes": size,
    }
    run = program("scrub", "film.sealed", "--root", line["root"], "--json")
    assert run.lines == [
        {
            "input": "film.sealed",
            "state": "matches",
            "root": line["root"],
            "frames": 4,
            "stored_bytes": size,
        }
    ]
    assert program("scrub", "--root", line["root"].upper(), "film.sealed").out == b""


def test_open_json_prints_the_same_root(program: Program, sealed: Path) -> None:
    (line,) = program("open", *KEY, "film.sealed", "-o", "again", "--json").lines
    assert line["root"] == inspect_file(sealed).root.hex()
    assert line["output"] == "again"


def test_scrub_claims_consistent_only_without_a_root(program: Program, sealed: Path) -> None:
    run = program("scrub", "film.sealed")
    root = inspect_file(sealed).root.hex()
    assert run.out == b""
    assert run.err == f"film.sealed: consistent, 4 frames, root {root}\n"
    assert program("scrub", "film.sealed", "--json").lines[0]["state"] == "consistent"
    assert "film.sealed: matches" in program("scrub", "--root", root, "film.sealed").err


def test_scrub_refuses_another_files_root(program: Program, sealed: Path) -> None:
    run = program("scrub", "film.sealed", "--root", "ab" * 32, code=13)
    assert "its root is" in run.err
    assert "not the file that root names" in run.err


@pytest.mark.parametrize("root", ["", "ab", "xy" * 32, "ab" * 33])
def test_scrub_refuses_what_is_no_root(program: Program, sealed: Path, root: str) -> None:
    run = program("scrub", "film.sealed", "--root", root, code=2)
    assert "64 hexadecimal digits" in run.err


def test_scrub_names_damage(program: Program, sealed: Path) -> None:
    data = bytearray(sealed.read_bytes())
    data[2_000_000] ^= 1
    sealed.write_bytes(data)
    run = program("scrub", "film.sealed", code=13)
    assert run.err.startswith("strongroom: error: scrubbing film.sealed: ")


def test_info_describes_a_sealed_file(program: Program, sealed: Path) -> None:
    (line,) = program("info", "film.sealed", "--json").lines
    known = inspect_file(sealed)
    assert line == {
        "file": "film.sealed",
        "version": 1,
        "suite": 1,
        "type": "stream",
        "envelopes": [{"type": "owner"}],
        "frames": 4,
        "stored_bytes": sealed.stat().st_size,
        "root": known.root.hex(),
        "root_checked": False,
        "repo_id": known.repo_id.hex(),
        "session_id": known.session_id.hex(),
    }
    words = program("info", "film.sealed").out.decode()
    assert known.root.hex() in words
    assert "owner" in words


def test_info_describes_the_installation(program: Program) -> None:
    (line,) = program("info", "--json").lines
    assert {"strongroom", "openssl", "blake3", "zstd", "cpu_features"} <= set(line)
    assert isinstance(line["slower_than_could_be"], list)
    assert "openssl" in program("info").out.decode()


def test_info_refuses_what_is_no_sealed_file(program: Program, film: Path) -> None:
    run = program("info", "film", "--json", code=13)
    assert run.out == b""
    assert "reading film: not a sealed file" in run.err


@pytest.mark.parametrize("verb", ["seal", "open"])
def test_an_existing_output_is_refused_and_untouched(
    program: Program, sealed: Path, verb: str
) -> None:
    source = "film" if verb == "seal" else "film.sealed"
    there = sealed.with_name("there")
    there.write_bytes(b"precious")
    run = program(verb, *KEY, source, "-o", "there", code=1)
    assert "there exists\n" in run.err
    assert "strongroom: hint: choose another name, or pass --force" in run.err
    assert there.read_bytes() == b"precious"
    program(verb, *KEY, source, "-o", "there", "--force")
    assert there.read_bytes() != b"precious"
    assert names(sealed.parent) == ["film", "film.sealed", "my.key", "there"]


@pytest.mark.parametrize(("words", "code"), [(("seal", "gone"), 1), (("open", "cut"), 13)])
def test_a_failure_with_force_leaves_the_existing_output(
    program: Program, sealed: Path, words: tuple[str, str], code: int
) -> None:
    there = sealed.with_name("there")
    there.write_bytes(b"precious")
    sealed.with_name("cut").write_bytes(sealed.read_bytes()[:-5000])
    program(*words, *KEY, "-o", "there", "--force", code=code)
    assert there.read_bytes() == b"precious"
    assert names(sealed.parent) == ["cut", "film", "film.sealed", "my.key", "there"]


@pytest.mark.parametrize("alias", ["film", "./film", "hard", "soft"])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_input_as_output_is_always_refused(
    program: Program, film: Path, alias: str, force: tuple[str, ...]
) -> None:
    before = film.read_bytes()
    os.link(film, film.with_name("hard"))
    film.with_name("soft").symlink_to("film")
    run = program("seal", *KEY, *force, "film", "-o", alias, code=2)
    assert "output and input are the same file" in run.err
    assert film.read_bytes() == before


def test_input_as_output_is_refused_through_redirections(program: Program, film: Path) -> None:
    before = film.read_bytes()
    with film.open("rb") as source:
        program("seal", *KEY, "--force", "-", "-o", "film", code=2, stdin=source)
    with film.open("ab") as target:
        program("seal", *KEY, "film", "-o", "-", code=2, stdout=target)
    with film.open("rb") as source, film.open("ab") as target:
        program("seal", *KEY, "-", "-o", "-", code=2, stdin=source, stdout=target)
    assert film.read_bytes() == before


def test_an_output_link_is_written_through(program: Program, film: Path) -> None:
    film.with_name("link").symlink_to("target")
    program("seal", *KEY, "film", "-o", "link")
    assert film.with_name("link").is_symlink()
    assert film.with_name("target").stat().st_size > film.stat().st_size


def test_outputs_follow_the_umask(program: Program, film: Path) -> None:
    program("seal", *KEY, "film", "-o", "film.sealed", umask=0o027)
    assert stat.S_IMODE(film.with_name("film.sealed").stat().st_mode) == 0o640


def test_level_and_padding_change_what_is_stored(
    program: Program, tmp_path: Path, prose: bytes
) -> None:
    prose = prose[: 2**20]
    (tmp_path / "prose").write_bytes(prose)
    stored = {}
    for name, words in {
        "raw": ["--level", "0", "--no-pad"],
        "default": ["--no-pad"],
        "padded": ["--level", "3", "--pad"],
        "best": ["--level", "19", "--no-pad"],
    }.items():
        (line,) = program("seal", *KEY, *words, "prose", "-o", name, "--json").lines
        stored[name] = line["stored_bytes"]
        program("open", *KEY, name, "-o", f"{name}.out")
        assert (tmp_path / f"{name}.out").read_bytes() == prose
    assert len(prose) < stored["raw"] < len(prose) + 16384
    assert stored["best"] <= stored["default"] < len(prose) / 2
    assert stored["default"] <= stored["padded"]


@pytest.mark.parametrize(
    "words",
    [
        *(["--level", "23"], ["--level", "-1"], ["--level", "x"]),
        *(["--threads", "0"], ["--threads", "many"], ["--threads", "1025"]),
    ],
)
def test_numbers_out_of_range_are_usage_errors(
    program: Program, film: Path, words: list[str]
) -> None:
    run = program("seal", *KEY, *words, "film", "-o", "x", code=2)
    assert run.err.startswith("strongroom: error: Invalid value for")
    assert 'strongroom: hint: see "strongroom seal --help"' in run.err
    assert not film.with_name("x").exists()


def test_threads_are_accepted_by_every_verb_that_works(program: Program, film: Path) -> None:
    program("seal", *KEY, "--threads", "2", "film", "-o", "s")
    program("open", *KEY, "--threads", "1", "s", "-o", "o")
    program("scrub", "--threads", "64", "s")
    assert film.with_name("o").read_bytes() == film.read_bytes()


def test_padding_hides_the_length(program: Program, tmp_path: Path) -> None:
    sizes = set()
    for size in (3_000_000, 3_000_001, 3_010_000):
        (tmp_path / "in").write_bytes(os.urandom(size))
        (line,) = program("seal", *KEY, "in", "-o", f"s{size}", "--json").lines
        sizes.add(line["stored_bytes"])
    assert len(sizes) == 1


@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 4096])
def test_small_and_empty_files_come_back(program: Program, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "in").write_bytes(data)
    program("seal", *KEY, "in", "-o", "s")
    program("open", *KEY, "s", "-o", "out")
    assert (tmp_path / "out").read_bytes() == data


def test_devices_can_be_written_to(program: Program, film: Path) -> None:
    program("seal", *KEY, "film", "-o", "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_a_sealed_file_does_not_hold_its_plaintext_or_name(
    program: Program, tmp_path: Path, prose: bytes
) -> None:
    (tmp_path / "telltale").write_bytes(prose)
    program("seal", *KEY, "--level", "0", "telltale", "-o", "s")
    stored = (tmp_path / "s").read_bytes()
    assert prose[:32] not in stored
    assert b"telltale" not in stored


def test_open_says_that_a_file_was_sealed_for_a_password(
    program: Program, tmp_path: Path, cheap_password: object
) -> None:
    (tmp_path / "s").write_bytes(seal_bytes(b"x", key=cheap_password))
    run = program("open", *KEY, "s", "-o", "out", code=12)
    assert "not sealed for a key" in run.err
    assert "hint: open it with a password" in run.err
    (line,) = program("info", "s", "--json").lines
    cost = {"type": "password", "memory_kib": 65536, "passes": 3, "lanes": 1}
    assert line["envelopes"] == [cost]
