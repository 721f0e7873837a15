"""Many files at once: what is meant, what goes where, and what failure does to the rest."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, open_bytes, seal_bytes

KEY = ("--key-file", "my.key")
ODD_NAMES = [b"not \xff\xfe unicode", b"new\nline", b"\x1b[31mred", b"-dash", b" space ", b"[b]\\n"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """in: one, empty, deep/er/two."""
    root = tmp_path / "in"
    (root / "deep/er").mkdir(parents=True)
    (root / "nothing here").mkdir()
    (root / "one").write_bytes(b"1")
    (root / "empty").write_bytes(b"")
    (root / "deep/er/two").write_bytes(b"22")
    return root


def files(folder: Path) -> dict[bytes, bytes]:
    """Relative path to content."""
    found = {}
    for parent, _, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118
            found[os.path.relpath(path, os.fsencode(folder))] = Path(os.fsdecode(path)).read_bytes()
    return found


def test_a_folder_comes_back_file_by_file(program: Program, tree: Path) -> None:
    (tree / ".hidden").write_bytes(b"h")
    (tree / "already.sealed").write_bytes(b"not really")
    run = program("seal", *KEY, "in", "-o", "sealed")
    assert (run.out, run.err) == (b"", "")
    kept = files(tree)
    assert set(files(tree.with_name("sealed"))) == {name + b".sealed" for name in kept}
    run = program("open", *KEY, "sealed", "-o", "out")
    assert (run.out, run.err) == (b"", "")
    assert files(tree.with_name("out")) == kept


def test_names_of_every_kind_come_back(program: Program, tmp_path: Path, key: RootKey) -> None:
    os.mkdir(tmp_path / "in")  # noqa: PTH102
    for name in ODD_NAMES:
        Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).write_bytes(name)
    run = program("seal", *KEY, "in", "-o", "sealed", "--json")
    assert {os.fsencode(line["input"])[3:] for line in run.lines[:-1]} == set(ODD_NAMES)
    assert run.err == ""
    program("open", *KEY, "sealed", "-o", "out")
    assert files(tmp_path / "out") == {name: name for name in ODD_NAMES}
    run = program("scrub", "sealed", "-v")
    assert run.err.count("\n") == len(ODD_NAMES)
    assert "\x1b" not in run.err
    assert "not \\udcff\\udcfe unicode" in run.err


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_are_escaped_in_messages(program: Program, tmp_path: Path, name: bytes) -> None:
    for words in (["open", *KEY, b"./" + name, "-o", "out"], ["scrub", b"./" + name]):
        run = program(*words, code=1)
        assert run.err.startswith("strongroom: error: ")
        assert run.err.count("\n") == 1
        assert "\x1b" not in run.err


@pytest.mark.parametrize("name", ODD_NAMES[:3])
def test_names_are_escaped_by_info(
    program: Program, tmp_path: Path, key: RootKey, name: bytes
) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(seal_bytes(b"", key=key))
    run = program("info", name)
    assert b"\x1b" not in run.out
    assert len(run.out.splitlines()) == len(program("info", name, "--json").lines[0])


def test_json_gives_a_line_a_file_and_a_summary(program: Program, tree: Path) -> None:
    run = program("seal", *KEY, "-v", "in", "-o", "sealed", "--json")
    *each, summary = run.lines
    assert [line["output"] for line in each] == [
        "sealed/empty.sealed",
        "sealed/one.sealed",
        "sealed/deep/er/two.sealed",
    ]
    assert summary == {"summary": True, "files": 3, "errors": 0}
    *each, summary = program("scrub", "sealed", "--json").lines
    assert {line["state"] for line in each} == {"consistent"}
    assert summary["files"] == 3


def test_several_inputs_go_into_one_folder(program: Program, tree: Path) -> None:
    program("seal", *KEY, "in/one", "in/deep", "my.key", "-o", "sealed")
    names = set(files(tree.with_name("sealed")))
    assert names == {b"one.sealed", b"er/two.sealed", b"my.key.sealed"}


def test_a_file_goes_into_a_folder_that_exists(program: Program, tree: Path) -> None:
    tree.with_name("there").mkdir()
    program("seal", *KEY, "in/one", "-o", "there")
    assert set(files(tree.with_name("there"))) == {b"one.sealed"}


def test_links_and_special_files_are_left_out_and_named(program: Program, tree: Path) -> None:
    (tree / "to file").symlink_to("one")
    (tree / "to folder").symlink_to("deep")
    (tree / "to nothing").symlink_to("nowhere")
    (tree / "to itself").symlink_to("to itself")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(tree, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    run = program("seal", *KEY, "in", "-o", "sealed", "--json", code=3)
    left_out = [line["error"] for line in run.lines if "error" in line]
    assert sorted(left_out) == [
        *(f"left out in/{name}: it is not a regular file" for name in ("pipe", "socket")),
        *(
            f"left out in/to {name}: it is a symbolic link"
            for name in ("file", "folder", "itself", "nothing")
        ),
    ]
    assert all(line in run.err for line in left_out)
    assert "sealing: 6 of 9 failed, each named above" in run.err
    assert len(files(tree.with_name("sealed"))) == 3


def test_a_link_that_is_named_is_followed(program: Program, tree: Path) -> None:
    tree.with_name("link").symlink_to("in/one")
    tree.with_name("folder").symlink_to("in/deep")
    program("seal", *KEY, "link", "folder", "-o", "sealed")
    assert set(files(tree.with_name("sealed"))) == {b"link.sealed", b"er/two.sealed"}


def test_unreadable_files_and_folders_are_named(
    program: Program, tree: Path, powerless: tuple[str, ...]
) -> None:
    (tree / "one").chmod(0)
    (tree / "deep").chmod(0)
    run = program.under(*powerless)("seal", *KEY, "in", "-o", "sealed", code=3)
    (tree / "deep").chmod(0o700)
    assert "sealing in/one: Permission denied" in run.err
    assert "reading in/deep: Permission denied" in run.err
    assert set(files(tree.with_name("sealed"))) == {b"empty.sealed"}


def test_a_folder_that_cannot_be_searched_is_an_error_for_every_verb(
    program: Program, tree: Path, powerless: tuple[str, ...]
) -> None:
    tree.chmod(0)
    limited = program.under(*powerless)
    for words in (
        ["seal", *KEY, "in/one", "-o", "x"],
        ["open", *KEY, "in/one", "-o", "x"],
        ["scrub", "in/one"],
        ["info", "in/one"],
        ["seal", *KEY, "my.key", "-o", "in/x"],
        ["seal", "--key-file", "in/one", "my.key", "-o", "x"],
        ["keygen", "-o", "in/x"],
    ):
        assert "Permission denied" in limited(*words, code=1).err
    limited("seal", *KEY, "in/one", "my.key", "-o", "out", code=3)
    tree.chmod(0o700)


def test_inputs_that_are_missing_are_named_and_the_rest_is_done(
    program: Program, tree: Path
) -> None:
    run = program("seal", *KEY, "in/one", "in/gone", "-o", "sealed", code=3)
    assert "reading in/gone: No such file or directory" in run.err
    assert set(files(tree.with_name("sealed"))) == {b"one.sealed"}


def test_outputs_that_exist_are_named_and_the_rest_is_done(program: Program, tree: Path) -> None:
    program("seal", *KEY, "in/one", "in/empty", "-o", "sealed")
    before = files(tree.with_name("sealed"))
    run = program("seal", *KEY, "in", "-o", "sealed", code=3)
    assert "sealed/one.sealed exists" in run.err
    after = files(tree.with_name("sealed"))
    assert set(after) == {*before, b"deep/er/two.sealed"}
    assert before.items() <= after.items()
    program("seal", *KEY, "in", "-o", "sealed", "--force")
    assert files(tree.with_name("sealed"))[b"one.sealed"] != before[b"one.sealed"]


def test_open_passes_over_what_is_not_called_sealed(
    program: Program, tree: Path, key: RootKey
) -> None:
    (tree / "three.sealed").write_bytes(seal_bytes(b"333", key=key))
    (tree / ".sealed").write_bytes(seal_bytes(b"no name left", key=key))
    run = program("open", *KEY, "in", "-o", "out")
    assert "passed over in/one: its name does not end in .sealed" in run.err
    assert "passed over in/.sealed" in run.err
    assert files(tree.with_name("out")) == {b"three": b"333"}
    assert program("open", *KEY, "-q", "in", "-o", "out2").err == ""


def test_damage_weighs_more_than_all_else(program: Program, tree: Path, key: RootKey) -> None:
    good = seal_bytes(b"data", key=key)
    other = seal_bytes(b"data", key=RootKey.generate())
    (tree / "a.sealed").write_bytes(good[:6000] + bytes([good[6000] ^ 1]) + good[6001:])
    (tree / "b.sealed").write_bytes(other)
    (tree / "c.sealed").write_bytes(good)
    (tree / "d.sealed").symlink_to("c.sealed")
    run = program("open", *KEY, "in", "-o", "out", "--json", code=13)
    failed = {line.get("input"): line["exit_code"] for line in run.lines if "error" in line}
    assert failed == {None: 1, "in/a.sealed": 13, "in/b.sealed": 12}
    assert run.lines[-1] == {"summary": True, "files": 1, "errors": 3}
    assert files(tree.with_name("out")) == {b"c": b"data"}
    (tree / "a.sealed").unlink()
    program("open", *KEY, "in", "-o", "out2", code=12)
    (tree / "b.sealed").unlink()
    program("open", *KEY, "in", "-o", "out3", code=3)


def test_scrub_names_damage_in_a_folder_and_goes_on(
    program: Program, tree: Path, key: RootKey
) -> None:
    good = seal_bytes(b"data", key=key)
    (tree / "a.sealed").write_bytes(good[:6000] + bytes([good[6000] ^ 1]) + good[6001:])
    (tree / "b.sealed").write_bytes(good)
    run = program("scrub", "in", code=13)
    assert "scrubbing in/a.sealed" in run.err
    assert "in/b.sealed: consistent" in run.err
    assert "in/one" not in run.err
    program("scrub", "in/b.sealed", "in/b.sealed")
    program("scrub", "--root", "ab" * 32, "in/a.sealed", "in/b.sealed", code=2)


@pytest.mark.parametrize("output", ["in", "in/deep", "in/new/er", "./in/../in/x", "link/x"])
def test_an_output_folder_inside_the_input_is_refused(
    program: Program, tree: Path, output: str
) -> None:
    tree.with_name("link").symlink_to("in")
    before = files(tree)
    run = program("seal", *KEY, "in", "-o", output, code=2)
    assert f"the output folder {Path(output)} lies inside in" in run.err
    assert files(tree) == before


def test_a_neighbour_with_a_similar_name_is_not_inside(program: Program, tree: Path) -> None:
    program("seal", *KEY, "in", "-o", "in.sealed")
    assert len(files(tree.with_name("in.sealed"))) == 3


def test_two_files_with_one_target_are_refused(program: Program, tree: Path) -> None:
    (tree / "deep/one").write_bytes(b"another")
    run = program("seal", *KEY, "in/one", "in/deep", "-o", "sealed", code=2)
    assert "in/one and in/deep/one would both make sealed/one.sealed" in run.err
    program("seal", *KEY, "in/one", "in/one", "-o", "sealed", code=2)
    assert not tree.with_name("sealed").exists()


def test_a_file_in_the_place_of_a_folder_is_named(program: Program, tree: Path) -> None:
    tree.with_name("sealed").write_bytes(b"a file")
    run = program("seal", *KEY, "in", "-o", "sealed", code=2)
    assert "sealed is a file" in run.err
    assert tree.with_name("sealed").read_bytes() == b"a file"


def test_to_find_nothing_is_a_failure(program: Program, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for words in (["seal", *KEY, "none", "-o", "x"], ["open", *KEY, "none", "-o", "x"]):
        assert "found no file in none" in program(*words, code=1).err
    assert "found no file in none" in program("scrub", "none", code=1).err


def test_pipes_do_not_go_with_folders(program: Program, tree: Path) -> None:
    for words in (["-", "in"], ["in/one", "in/two"]):
        run = program("seal", *KEY, *words, "-o", "-", code=2)
        assert "- stands alone" in run.err
    run = program("seal", *KEY, "in", "-o", "-", code=1)
    assert "sealing in: it is a directory" in run.err


def test_each_file_of_a_folder_stands_alone(program: Program, tree: Path, key: RootKey) -> None:
    program("seal", *KEY, "in", "-o", "sealed")
    sealed = files(tree.with_name("sealed"))
    assert {open_bytes(data, key=key) for data in sealed.values()} == {b"1", b"", b"22"}
    assert len({data[16:96] for data in sealed.values()}) == 3
