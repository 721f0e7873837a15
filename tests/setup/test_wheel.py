"""A source distribution makes a wheel, and the wheel works away from the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.xdist_group("wheel")  # one worker builds it once


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as `python -m build` does unless told otherwise."""
    clone, dist = tmp_path_factory.mktemp("source") / "clone", tmp_path_factory.mktemp("dist")
    run("git", "clone", "--quiet", ROOT, clone, cwd=dist)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, clone, cwd=dist)
    assert len(list(dist.glob("*.tar.gz"))) == 1
    (built,) = dist.glob("*.whl")
    return built


def test_the_wheel_is_for_the_stable_abi(wheel):
    assert "-cp311-abi3-" in wheel.name


def test_the_wheel_holds_types_and_licence_but_no_source(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "strongroom/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith((".c", ".h", ".o"))]
    assert not [name for name in names if name.startswith(("tests", "csrc", "dev", "bench"))]


def test_the_wheel_seals_and_opens_from_another_place(wheel, tmp_path):
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--target", tmp_path / "site", wheel, cwd=tmp_path)  # fmt: skip
    program = (
        "import strongroom as s; print(s.__file__); k = s.RootKey.generate();"
        "assert s.open_bytes(s.seal_bytes(b'x' * 9999999, key=k), key=k) == b'x' * 9999999"
    )
    said = run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert Path(said.strip()).is_relative_to(tmp_path)
