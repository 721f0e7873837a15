"""What `import strongroom` offers, and what it costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
import typing
from importlib.metadata import version
from pathlib import Path

import pytest

import strongroom

NAMES = [
    "Freshness",
    "Head",
    "Policy",
    "PruneOptions",
    "RepositoryInfo",
    "RolledBackError",
    "TagChange",
    "describe_repository",
    "Cancel",
    "CancelledError",
    "ConflictError",
    "BackupResult",
    "Counts",
    "Credential",
    "DamagedError",
    "Entry",
    "Finding",
    "IncompleteError",
    "InvalidKeyError",
    "KdfParameters",
    "Labels",
    "LimitError",
    "NoRepositoryError",
    "ObjectExistsError",
    "ObjectMissingError",
    "Opener",
    "Overwrite",
    "Password",
    "Progress",
    "Proof",
    "Repository",
    "RepositoryScrub",
    "RestoreCounts",
    "RestoreOptions",
    "Result",
    "RootKey",
    "SavedSnapshot",
    "ScrubResult",
    "SealedInfo",
    "Sealer",
    "Selection",
    "Snapshot",
    "SnapshotFile",
    "SourceError",
    "Stats",
    "StrongroomError",
    "TargetError",
    "TargetExistsError",
    "UnsupportedError",
    "UsageError",
    "VerifyResult",
    "WrongKeyError",
    "inspect_file",
    "open_bytes",
    "open_file",
    "open_into",
    "prove",
    "scrub",
    "scrub_repository",
    "seal_bytes",
    "seal_file",
    "seal_into",
    "sealed_length",
    "verify_proof",
]
ALIASES = {"Credential", "Progress"}


def imported_for_type_checkers() -> dict[str, str]:
    """Name to module, from the TYPE_CHECKING block."""
    tree = ast.parse(Path(strongroom.__file__).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name
            found[alias.name] = node.module
    return found


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(NAMES) == strongroom.__all__


def test_type_checkers_see_what_runs() -> None:
    homes = {name: f"strongroom.{home}" for name, home in strongroom._HOME.items()}
    assert imported_for_type_checkers() == homes


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_what_its_module_defines(name: str) -> None:
    home = importlib.import_module(f"strongroom.{strongroom._HOME[name]}")
    assert getattr(strongroom, name) is getattr(home, name)
    assert name in dir(strongroom)


@pytest.mark.parametrize("name", sorted(set(NAMES) - ALIASES))
def test_a_public_name_has_a_docstring_of_its_own(name: str) -> None:
    value = getattr(strongroom, name)
    assert value.__module__.startswith("strongroom.")
    doc = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    assert doc
    assert not doc.startswith(f"{name}(")  # what dataclass writes when nobody did


@pytest.mark.parametrize("name", ["RootKey", "Password", "KdfParameters"])
def test_public_methods_have_docstrings(name: str) -> None:
    members = vars(getattr(strongroom, name)).items()
    public = [member for key, member in members if not key.startswith("_") and callable(member)]
    assert all(inspect.getdoc(member) for member in public)


@pytest.mark.parametrize("name", ["seal_file", "open_file", "scrub", "seal_bytes", "open_bytes"])
def test_options_of_public_functions_are_keyword_only(name: str) -> None:
    parameters = inspect.signature(getattr(strongroom, name)).parameters.values()
    positional = [p for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= 2
    assert all(p.default is inspect.Parameter.empty for p in positional)


def test_aliases_are_types() -> None:
    assert typing.get_args(strongroom.Credential) == (strongroom.RootKey, strongroom.Password)
    assert typing.get_args(strongroom.Progress) == ([int, int], None)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'unseal'"):
        _ = strongroom.unseal


def test_the_version_is_the_packages() -> None:
    assert strongroom.__version__ == version("strongroom")


LOADED = """
import sys
sys.argv = ["strongroom", *sys.argv[1:]]
{}
print(*sorted(sys.modules))
"""
VERSION = """
from strongroom.cli import main
try:
    main()
except SystemExit as ending:
    assert not ending.code
"""


def loaded(statements: str, *words: str) -> set[str]:
    code = LOADED.format(statements)
    run = [sys.executable, "-c", code, *words]
    done = subprocess.run(run, capture_output=True, check=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {
        "cryptography",
        "numpy",
        "rich",
        "click",
        "cffi",
        "strongroom._native",
        "strongroom._core",
    }
    assert not loaded("import strongroom") & heavy


def test_asking_for_the_version_loads_nothing_heavy() -> None:
    heavy = {"cryptography", "numpy", "rich", "cffi", "strongroom._native", "strongroom._core"}
    assert not loaded(VERSION, "--version") & heavy
    assert "click" in loaded(VERSION, "--version")


def test_garbage_is_collected_again_while_a_verb_runs() -> None:
    code = """
import gc, sys
from strongroom.__main__ import run
sys.argv[1:] = ["key", "list", "-r", "/nowhere"]
try:
    run()
except SystemExit as ending:
    assert ending.code == 10
print(gc.isenabled())
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout == "True\n"


# Each takes a millisecond or more to load. hashlib brings an OpenSSL of its own.
NEEDLESS = {"numpy", "rich", "hashlib", "random", "subprocess", "getpass", "tempfile"}


def test_the_common_verbs_load_nothing_needless(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "file").write_bytes(os.urandom(1_500_000))
    key, repository, target = (str(tmp_path / name) for name in ("key", "repository", "target"))
    Path(key).write_text(strongroom.RootKey.generate().to_digits())
    Path(key).chmod(0o600)
    with_key = ("-q", "--key-file", key)
    of = ("-r", repository, *with_key)
    loaded(VERSION, "init", "--no-confirm", *of)
    verbs = [loaded(VERSION, "backup", *of, str(tmp_path / "file")) for _ in range(2)]
    verbs.append(loaded(VERSION, "restore", *of, "latest", "--target", target))
    sealed = str(tmp_path / "sealed")
    verbs.append(loaded(VERSION, "seal", *with_key, str(tmp_path / "file"), "-o", sealed))
    verbs.append(loaded(VERSION, "open", *with_key, sealed, "-o", str(tmp_path / "again")))
    verbs.append(loaded(VERSION, "scrub", "-q", sealed))
    assert "cryptography" not in set.union(*verbs[-3:])
    assert not set.union(*verbs) & NEEDLESS
    assert not set.union(*verbs[-3:]) & {"json", "strongroom.repository"}
    assert "numpy" in loaded(VERSION, "verify", *of)
