"""python -m bench repository: a library backed up, restored and verified, beside cp -r.

Whole processes, interleaved; outputs are fresh on memory that was just in use and stays with the
machine (pages.py). Keys come from a file: stretching a password takes the same time whatever is
backed up. Prints a table on stderr and JSON lines on stdout.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import pages
from bench.corpora import MIB
from bench.libraries import write_library
from bench.processes import Case, Run, interleave, put, ratio, say, spread, summary
from strongroom import RootKey


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench repository", description=__doc__)
    parser.add_argument("--corpus", choices=("media", "small", "text"), default="media")
    parser.add_argument("--mib", type=int, default=1024, help="of media or text")
    parser.add_argument("--files", type=int, default=50_000, help="small ones")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dir", type=Path, help="where to work; a tmpfs leaves the disk out")
    parser.add_argument(
        "--host-pages", action="store_true", help="take pages as the host gives them, warm or not"
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as folder:
        work = Workplace(Path(folder))
        length, count = write_library(work.source, asked.corpus, asked.mib * MIB, asked.files)
        with pages.kept(length, wanted=not asked.host_pages) as kept:
            runs = interleave(work.cases(length), asked.rounds)
        work.check()
    _report(runs, asked.corpus, {"files": count, "bytes": length, "pages_kept": kept})
    return 0


@dataclass(frozen=True, slots=True)
class Workplace:
    """The library, and what programs make of it."""

    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "library"

    def cases(self, length: int) -> list[Case]:
        """cp -r and ours, in the order in which each needs what the one before left."""
        strongroom = Path(sys.executable).with_name("strongroom")
        key = self.folder / "key"
        key.touch(mode=0o600)
        key.write_text(RootKey.generate().to_digits())
        repo, out = self.folder / "repo", self.folder / "out"
        where: list[str | Path] = ["-r", repo, "--key-file", key, "-q"]
        init: list[str | Path] = [strongroom, "init", "-r", repo, "--key-file", key, "-q"]
        backup: list[str | Path] = [strongroom, "backup", *where, self.source]
        restore: list[str | Path] = [strongroom, "restore", *where, "latest", "--target", out]
        fresh = self._before(length, [repo, out], lambda: _quietly(init))
        return [
            Case("cp -r", ["cp", "-r", self.source, out], self._before(length, [out])),
            Case("backup", backup, fresh),
            Case("unchanged", backup, self._before(0, [])),
            Case("scrub", [strongroom, "scrub", "-q", "-r", repo], self._before(0, [])),
            Case("verify --data", [strongroom, "verify", *where, "--data"], self._before(0, [])),
            Case("restore", restore, self._before(length, [out])),
        ]

    def _before(
        self, length: int, gone: Sequence[Path], then: Callable[[], None] = lambda: None
    ) -> Callable[[], None]:
        """What makes fresh outputs: nothing there, and pages that were just in use."""

        def prepare() -> None:
            for path in gone:
                shutil.rmtree(path, ignore_errors=True)
            pages.warm(self.folder, length)
            then()

        return prepare

    def check(self) -> None:
        """What was restored last is what was backed up. Raises ValueError."""
        found = self.folder / "out" / str(self.source).lstrip("/")
        for folder, _, names in os.walk(self.source):
            beside = found / Path(folder).relative_to(self.source)
            _, differ, failed = filecmp.cmpfiles(folder, beside, names, shallow=False)
            if differ or failed:
                raise ValueError(f"restored otherwise than backed up: {(differ + failed)[0]}")


def _quietly(command: Sequence[str | Path]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def _report(runs: dict[str, list[Run]], corpus: str, about: dict[str, int]) -> None:
    length = about["bytes"]
    for name, each in runs.items():
        low, middle, high = ratio(each, runs["cp -r"])
        user = summary(each)["user"] / length * 1e9
        rate = length / summary(each)["wall"] / 1e6
        figures: dict[str, object] = dict(summary(each))
        figures |= {"mb_per_s": rate, "user_s_per_gb": user, **about}
        figures |= {"wall_vs_cp": middle, "wall_vs_cp_spread": [low, high]}
        put(f"repository-{corpus}", name, rounds=len(each), **figures)
        wall = spread([run.wall for run in each])
        say(
            f"{name:<16}{rate:>7,.0f} MB/s"
            f"   wall {middle:.2f} x cp -r ({low:.2f} to {high:.2f})"
            f"   {wall[1]:.2f} s ({wall[0]:.2f} to {wall[2]:.2f})"
            f"   user {user:.2f} s/GB   peak {summary(each)['peak_kib'] / 1024:.0f} MiB"
        )
