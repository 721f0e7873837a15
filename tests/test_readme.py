"""Every command and the Python example of the README run as printed, in order, and succeed."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the README takes for granted: a film, some pictures, passwords."""
    noise = random.Random(7)
    (tmp_path / "film.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + noise.randbytes(3_000_000))
    pictures = tmp_path / "Pictures" / "2024"
    pictures.mkdir(parents=True)
    for number in range(3):
        (pictures / f"{number}.jpg").write_bytes(b"\xff\xd8\xff" + noise.randbytes(50_000))
    (tmp_path / "Pictures" / "list.txt").write_text("0 1 2\n" * 1000)
    (tmp_path / "password.txt").write_text("correct horse battery staple\n")
    (tmp_path / "new.txt").write_text("granite otter velvet lantern\n")
    return tmp_path


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 290


def test_every_shell_command_of_the_readme_works(folder):
    shell = blocks("sh")
    assert len(shell) >= 6
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(shell)],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "matches" in done.stderr
    assert "Pictures/2024/2.jpg" in done.stdout


def test_the_python_example_of_the_readme_works(folder):
    (example,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("13 ")


def test_the_make_targets_of_the_readme_exist():
    commands = re.findall(r"^make \S+", "\n".join(blocks("text")), re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        done = subprocess.run(
            [*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0, command


def test_every_file_the_readme_links_to_exists():
    for link in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / link).exists(), link
