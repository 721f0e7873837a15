"""The systemd unit of docs/VAULT.md starts what there is, and what it may write holds a vault."""

from __future__ import annotations

import configparser
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.errors import UsageError

VAULT = (Path(__file__).parents[2] / "docs/VAULT.md").read_text("utf-8")
(UNIT,) = re.findall(r"^```ini\n(.*?)^```$", VAULT, re.MULTILINE | re.DOTALL)


def section(name: str) -> configparser.SectionProxy:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(UNIT)
    return parsed[name]


def test_it_starts_a_command_that_there_is_with_options_that_it_has() -> None:
    program, group, verb, *options = shlex.split(section("Service")["ExecStart"])
    assert (program, group) == ("/opt/strongroom/bin/strongroom", "vault")
    command = importlib.import_module(f"strongroom.cli.vault.{verb}").command
    assert command.make_context(verb, options, resilient_parsing=False)


def test_init_writes_where_the_service_may_write() -> None:
    init = VAULT.partition("strongroom vault init ")[2].partition("strongroom vault add-account")[0]
    words = shlex.split(init.replace("\\\n", " "))
    places = section("Service")["ReadWritePaths"].split()
    for option in ("--config", "--witness"):
        folder = str(Path(words[words.index(option) + 1]).parent)
        assert folder in places
        assert re.search(rf"^install -d .* {re.escape(folder)}( |$)", VAULT, re.MULTILINE)
    assert f"useradd --system --no-create-home --shell /usr/sbin/nologin {user()}\n" in VAULT


def user() -> str:
    return section("Service")["User"]


def test_what_starting_again_makes_worse_is_not_started_again() -> None:
    """A PIN that was refused, above all: tokens lock themselves."""
    assert section("Service")["RestartPreventExitStatus"] == str(UsageError.exit_code)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not there")
def test_systemd_takes_it(tmp_path: Path) -> None:
    unit = tmp_path / "strongroom-vault.service"
    unit.write_text(UNIT.replace("/opt/strongroom/bin/strongroom", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "strongroom-vault" in line]
    assert (done.returncode, ours) == (0, [])
