"""Patterns mean what their documentation says."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import SourceError, UsageError
from strongroom.ops.exclude import Excludes, read_paths, read_patterns

CASES = [
    # pattern, covered, not covered
    ("*.tmp", ["a.tmp", "x/y/a.tmp", ".tmp", "x/.tmp"], ["a.tmp/b", "a.tmpx", "tmp"]),
    ("cache", ["cache", "a/cache"], ["cache2", "a/cache/b", "xcache"]),
    ("/cache", ["cache"], ["a/cache"]),
    ("a/b", ["a/b", "x/a/b"], ["a/x/b", "xa/b"]),
    ("/a/*", ["a/b", "a/.c"], ["a", "a/b/c", "x/a/b"]),
    ("a/**", ["a/b", "a/b/c", "x/a/y"], ["a"]),
    ("**/a", ["a", "x/a", "x/y/a"], ["xa"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b", "z/a/b"], ["ab", "a/xb"]),
    ("?.c", ["a.c", "x/b.c"], [".c", "ab.c", "a/.c"]),
    ("[a-c]x", ["ax", "cx"], ["dx", "/x", "-x"]),
    ("[!a-c]x", ["dx"], ["ax", "b/x"]),
    ("[^a-c]x", ["dx"], ["ax"]),
    ("[]x]a", ["]a", "xa"], ["a"]),
    ("[a", ["[a", "x/[a"], ["a"]),
    ("a**b", ["ab", "axxb"], ["a/b"]),
    ("a.b", ["a.b"], ["axb"]),
    (r"\*", ["*"], ["a"]),
    (r"\!a", ["!a"], ["a"]),
    ("a+(b)$", ["a+(b)$"], ["aab"]),
    ("new\nline", ["new\nline", "x/new\nline"], ["new"]),
    ("*", ["a", "a\nb", "a/b"], []),
    ("é", ["é"], ["e"]),
]


@pytest.mark.parametrize(("pattern", "covered", "free"), CASES, ids=[case[0] for case in CASES])
def test_a_pattern_covers(pattern, covered, free):
    for excludes in (Excludes([pattern]), Excludes(["!never", pattern])):
        assert excludes
        for path in covered:
            assert excludes.covers(path.encode(), folder=False), path
        for path in free:
            assert not excludes.covers(path.encode(), folder=False), path


def test_a_slash_at_the_end_means_folders():
    excludes = Excludes(["build/"])
    assert excludes.covers(b"x/build", folder=True)
    assert not excludes.covers(b"x/build", folder=False)


def test_the_last_pattern_that_matches_decides():
    excludes = Excludes(["*.log", "!keep.log", "/top/keep.log"])
    assert excludes.covers(b"a/other.log", folder=False)
    assert not excludes.covers(b"a/keep.log", folder=False)
    assert excludes.covers(b"top/keep.log", folder=False)


def test_names_need_not_be_text():
    assert Excludes([b"\xff*"]).covers(b"a/\xff\xfe", folder=False)
    assert Excludes(["*.raw"]).covers(b"\xff.raw", folder=False)


@pytest.mark.parametrize("pattern", ["", "/", "!", "//", "./a", "a/../b", "[z-a]"])
def test_patterns_that_match_nothing_are_refused(pattern):
    with pytest.raises(UsageError):
        Excludes([pattern])


def test_nothing_is_covered_by_no_pattern():
    assert not Excludes()
    assert not Excludes().covers(b"a", folder=True)


@given(st.text(alphabet="ab*?[]!^-\\/&~|.", max_size=8))
def test_any_pattern_is_understood_or_refused(pattern):
    try:
        excludes = Excludes([pattern])
    except UsageError:
        return
    assert excludes.covers(b"a/b", folder=True) in {True, False}


def fits(parts: list[str], names: list[str]) -> bool:
    """Do these names fit a pattern's parts, tried in every way?"""
    if not parts:
        return not names
    if parts[0] == "**":
        if len(parts) == 1:
            return bool(names)
        return any(fits(parts[1:], names[at:]) for at in range(len(names) + 1))
    plain = re.escape(parts[0]).replace(r"\*", ".*").replace(r"\?", ".")
    return bool(names) and re.fullmatch(plain, names[0]) is not None and fits(parts[1:], names[1:])


@given(
    st.booleans(),
    st.lists(
        st.one_of(st.just("**"), st.text(alphabet="ab*?", min_size=1, max_size=4)), min_size=1
    ),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=1),
)
def test_patterns_of_paths_agree_with_trying_every_way(anchored, parts, names):
    expected = fits(parts if anchored else ["**", *parts], names)
    excludes = Excludes(["/" * anchored + "/".join(parts)])
    assert excludes.covers("/".join(names).encode(), folder=False) == expected


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a*a*a*a*a*a*a*a*b", "a" * 250),
        ("[ab]*?a*?a*?a*?a*?a*b", "a" * 250),
        ("**/a/**/a/**/a/**/a/**/b", "a/" * 2000 + "a"),
        ("*a*/**/*a*/**/*a*/**/b", ("a" * 20 + "/") * 200),
    ],
)
def test_no_name_takes_long(pattern, path):
    excludes = Excludes([pattern])
    begun = time.process_time()
    assert not excludes.covers(path.encode(), folder=False)
    assert time.process_time() - begun < 1


@given(
    st.text(alphabet="ab*?", min_size=1, max_size=5),
    st.text(alphabet="ab", min_size=1, max_size=5),
)
def test_patterns_of_one_name_agree_with_a_plain_translation(pattern, name):
    plain = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    expected = re.fullmatch(plain, name) is not None
    assert Excludes([pattern]).covers(name.encode(), folder=False) == expected


def test_patterns_from_a_file(tmp_path):
    file = tmp_path / "patterns"
    file.write_bytes(b"# words\n\n*.tmp  \r\n\\#real\nspace\\ \n\xff\n")
    assert read_patterns(file) == [b"*.tmp", b"\\#real", b"space\\ ", b"\xff"]
    with pytest.raises(SourceError, match=r"reading patterns from .*: No such file"):
        read_patterns(tmp_path / "none")


def test_paths_from_a_file(tmp_path):
    file = tmp_path / "paths"
    file.write_bytes(b"a b\n\nc\xff\n")
    assert read_paths(file) == [b"a b", b"c\xff"]
    file.write_bytes(b"with\nnewline\0b\0")
    assert read_paths(file) == [b"with\nnewline", b"b"]
