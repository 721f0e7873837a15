"""Imports and includes point down the picture in docs/DESIGN.md only; sizes stay readable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "engine"
CSRC = ROOT / "csrc"

# Layer: what it may import beside itself. A module belongs to the longest name that fits.
BELOW_REPOSITORY = {"keys", "manifest", "stores", "vault.client", "vault", "_core", "xdg", "errors"}
PYTHON = {
    "": {"*"},  # the package itself: lazy public names
    "__main__": {"cli"},
    "cli": {"", "ops", "repository", "vault.server", *BELOW_REPOSITORY},
    "ops": {"repository", *BELOW_REPOSITORY},
    "repository": BELOW_REPOSITORY,
    "keys": {"_core", "errors"},
    "manifest": {"_core", "errors"},
    "stores": {"_core", "errors"},
    "vault.client": {"vault", "keys", "xdg", "errors"},
    "vault.server": {"vault", "errors"},  # blind: keys and segments are none of its business
    "vault": {"errors"},  # the protocol, which both ends speak
    "_core": {"_native", "errors"},
    "xdg": {"errors"},
    "errors": set(),
}

# Folder: what it may include beside itself and the public header.
BASE = {"base"}
SEGMENT = {"crypto", "codec", "index", *BASE}
PIPELINE = {"threads", "segment", *SEGMENT}
C = {
    "api": {"pipeline", *PIPELINE},
    "pipeline": PIPELINE,
    "segment": SEGMENT,
    "threads": BASE,
    "index": {"crypto", *BASE},  # a sibling, for SHA-256
    "crypto": BASE,
    "codec": BASE,
    "base": set(),
    "include": set(),
}

C_FILE_MAX, C_FUNCTION_MAX = 500, 60
PUBLIC_HEADER_MAX = 600  # one file, and half of it is what its functions promise
PYTHON_FILE_MAX, PYTHON_FUNCTION_MAX = 350, 40

MODULES = sorted((ENGINE / "strongroom").rglob("*.py"))
C_SOURCES = sorted(CSRC.rglob("*.[ch]"))
PYTHON_SOURCES = sorted(
    path for folder in ("engine", "csrc", "dev", "bench") for path in (ROOT / folder).rglob("*.py")
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    """cli.seal for strongroom/cli/seal.py."""
    parts = path.relative_to(ENGINE / "strongroom").with_suffix("").parts
    return ".".join(parts).removesuffix("__init__").removesuffix(".")


def layer_of(module: str) -> str:
    """The longest name of the table that module is or lies in."""
    parents = [module.rsplit(".", n)[0] for n in range(module.count(".") + 1)]
    names = [parent for parent in parents if parent in PYTHON]
    assert names, f"strongroom.{module} has no place in the layers: give it one in this table"
    return names[0]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imported(path: Path) -> Iterator[str]:
    """Every module of strongroom that a file imports, below the package: keys.rootkey."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)}: line {node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "strongroom":
                yield _as_module(rest)


def _as_module(name: str) -> str:
    """Without a last part that is no module but something in one."""
    parts = name.split(".")
    while parts != [""] and parts:
        path = ENGINE.joinpath("strongroom", *parts)
        if path.is_dir() or path.with_suffix(".py").exists() or parts == ["_native"]:
            return ".".join(parts)
        parts.pop()
    return ""


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_point_down(path: Path) -> None:
    layer = layer_of(module_of(path))
    allowed = PYTHON[layer]
    for module in imported(path):
        target = "_native" if module == "_native" else layer_of(module)
        assert target == layer or target in allowed or "*" in allowed, (
            f"{named(path)} ({layer}) imports strongroom.{module} ({target})"
        )


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_only_the_core_touches_ffi(path: Path) -> None:
    if module_of(path).split(".")[0] == "_core":
        return
    names = {node.id for node in ast.walk(parsed(path)) if isinstance(node, ast.Name)}
    assert not names & {"ffi", "lib", "_native"}
    assert "_native" not in set(imported(path))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# Everything is reached through the first and little of it is run: each method loads what it runs.
# The others load numpy, where very many rows are looked at, what salvages, and what stretches.
LOADS_LATE = {"ops.repository", "_core.rows", "repository.entry_reader", "repository.opened"}
LOADS_LATE |= {"keys.password"}


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_import_inside_a_function(path: Path) -> None:
    if module_of(path) in LOADS_LATE:
        return
    for function in functions(parsed(path)):
        inside = [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert not inside, f"{named(path)}: {function.name} imports"


# It takes as long to load as backing up 100 MB: for what looks at the chunks of all snapshots.
WITH_NUMPY = {"_core.marks", "ops.verify"} | {
    f"repository.{name}" for name in ("checkpoint_rows", "repack", "survey")
}


def test_few_modules_load_numpy_when_they_are_loaded() -> None:
    with_it = {
        module_of(path)
        for path in MODULES
        for node in parsed(path).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "numpy" in ast.unparse(node)
    }
    assert with_it == WITH_NUMPY


def test_only_the_package_and_the_command_line_load_modules_by_name() -> None:
    by_name = {module_of(p) for p in MODULES if "import_module(" in p.read_text("utf-8")}
    cli = {"cli", "cli.console", "cli.progress", "cli.scrub", "cli.secrets", "cli.vaulted"}
    allowed = {"", "__main__", "vault.server.extras", *cli}
    assert by_name <= allowed


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_assert_guards_input(path: Path) -> None:
    assert not [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Assert)]


def included(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", C_SOURCES, ids=named)
def test_includes_point_down(path: Path) -> None:
    folder = path.relative_to(CSRC).parts[0]
    for name in included(path):
        if name == "strongroom.h":
            continue
        assert (CSRC / name).exists(), f"{named(path)} includes {name}, named from csrc/"
        target = name.split("/")[0]
        assert target == folder or target in C[folder], f"{named(path)} includes {name}"


def test_segments_know_no_threads() -> None:
    for path in (CSRC / "segment").iterdir():
        text = path.read_text("utf-8")
        assert not re.search(r'"(pipeline|threads)/|pthread|<threads\.h>', text), path


def test_the_public_header_stands_alone() -> None:
    assert included(CSRC / "include/strongroom.h") == []


@pytest.mark.parametrize("path", PYTHON_SOURCES, ids=named)
def test_python_stays_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= PYTHON_FILE_MAX
    for function in functions(parsed(path)):
        documented = ast.get_docstring(function) is not None
        begun = function.body[0].end_lineno if documented else function.lineno - 1
        length = (function.end_lineno or 0) - (begun or 0)
        assert length <= PYTHON_FUNCTION_MAX, f"{function.name} has {length} lines"


# A definition begins at the margin and ends with a brace there; clang-format sees to that.
DEFINITION = re.compile(
    r"^(?!typedef|struct|enum|union|extern)[A-Za-z_][^;={}]*\{\n.*?^\}", re.M | re.S
)


@pytest.mark.parametrize("path", C_SOURCES, ids=named)
def test_c_stays_short(path: Path) -> None:
    text = path.read_text("utf-8")
    most = PUBLIC_HEADER_MAX if path.parent.name == "include" else C_FILE_MAX
    assert len(text.splitlines()) <= most
    for found in DEFINITION.finditer(text):
        length = found[0].count("\n") + 1
        assert length <= C_FUNCTION_MAX, f"{found[0].splitlines()[0]} has {length} lines"


def test_functions_in_c_are_seen() -> None:
    seen = sum(len(DEFINITION.findall(path.read_text("utf-8"))) for path in C_SOURCES)
    assert seen > 80
