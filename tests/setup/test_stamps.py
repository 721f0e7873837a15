"""A step is skipped only when it finished with the same inputs."""

from pathlib import Path

import pytest

from dev.stamps import Stamps, digest


def test_digest_depends_on_words_and_their_borders() -> None:
    assert digest(["ab", "c"]) == digest(["ab", "c"])
    assert digest(["ab", "c"]) != digest(["a", "bc"])


def test_digest_depends_on_names_and_contents_of_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one.c", tmp_path / "other.c"
    one.write_text("int x;")
    before = digest([], [one])
    assert digest([], [one]) == before
    one.write_text("int y;")
    assert digest([], [one]) != before
    one.write_text("int x;")
    assert digest([], [one.rename(other)]) != before


def test_digest_does_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    files = [tmp_path / "b.c", tmp_path / "a.c"]
    for file in files:
        file.write_text(file.name)
    assert digest([], files) == digest([], reversed(files))


def test_a_stamp_holds_for_its_inputs_only(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path / "stamps")
    assert not stamps.holds("core", "inputs")
    with stamps.renew("core", "inputs"):
        pass
    assert stamps.holds("core", "inputs")
    assert not stamps.holds("core", "other inputs")
    assert not stamps.holds("environment", "inputs")


def test_a_step_that_fails_loses_the_stamp_it_had(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path)
    with stamps.renew("core", "inputs"):
        pass
    with pytest.raises(OSError, match="disk full"), stamps.renew("core", "other inputs"):
        raise OSError("disk full")
    assert not stamps.holds("core", "inputs")
    assert not stamps.holds("core", "other inputs")


def test_a_step_is_not_finished_while_it_runs(tmp_path: Path) -> None:
    stamps = Stamps(tmp_path)
    with stamps.renew("core", "inputs"):
        assert not stamps.holds("core", "inputs")
