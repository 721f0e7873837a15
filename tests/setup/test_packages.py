"""Only missing packages are installed; without root, one line says which."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dev.packages import Need, apt_line, missing

ROOT = Path(__file__).parents[2]
NEEDS = [Need("gcc"), Need("libzstd-dev"), Need("pkg-config", serves_too="pkgconf")]
INSTALL = """
import os
os.geteuid = lambda: 1000
from dev.console import SetupError
from dev.packages import Need, install
try:
    install([Need("gcc"), Need("libzstd-dev"), Need("perl")])
except SetupError as error:
    print(error)
    raise SystemExit(1)
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, with a dpkg-query that knows gcc and pkgconf."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    script(
        folder / "dpkg-query",
        'for name in "$@"; do case "$name" in\n'
        '  gcc|pkgconf) echo "installed $name" ;;\n'
        '  perl) echo "config-files $name" ;;\n'
        "esac; done; exit 1",
    )
    script(folder / "apt-get", "echo apt-get must not run; exit 99")
    return folder


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def attempt() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", INSTALL],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("programs")
def test_what_dpkg_knows_is_not_missing() -> None:
    assert missing(NEEDS) == ["libzstd-dev"]


@pytest.mark.usefixtures("programs")
def test_a_removed_package_with_its_configuration_left_is_missing() -> None:
    assert missing([Need("perl")]) == ["perl"]


def test_without_dpkg_the_tools_themselves_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path / "cc", "exit 0")
    needs = [Need("gcc", command="cc"), Need("perl", command="perl"), Need("zstd", header="zstd.h")]
    assert missing(needs) == ["perl"]


@pytest.mark.usefixtures("programs")
def test_without_root_or_sudo_the_last_line_is_the_one_to_run() -> None:
    done = attempt()
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        "apt-get update && apt-get install --yes --no-install-recommends libzstd-dev perl"
    )
    assert done.stderr == ""


def test_sudo_that_wants_a_password_is_not_used_but_named(programs: Path) -> None:
    script(programs / "sudo", 'test "$1" = -n && exit 1; exit 99')
    done = attempt()
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == apt_line(["libzstd-dev", "perl"])
    assert done.stdout.splitlines()[-1].startswith("sudo apt-get update && sudo apt-get install")
