"""python -m bench stream: one file sealed, scrubbed and opened, beside cp and others.

Whole processes, interleaved; outputs are fresh files on memory that was just in use and stays with
the machine (pages.py). Prints a table on stderr and JSON lines on stdout.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import native, pages
from bench.corpora import CORPORA, MIB, write_file
from bench.peers import PROGRAMS, Program, peers
from bench.processes import Case, Run, interleave, put, ratio, say, spread, summary
from strongroom import RootKey


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench stream", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="length of the file")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--corpus", choices=CORPORA, default="media")
    parser.add_argument("--dir", type=Path, help="where to work; a tmpfs leaves the disk out")
    parser.add_argument("--peers", action="store_true", help="other programs too")
    parser.add_argument("--only", nargs="+", help="of the cases; cp always runs")
    parser.add_argument(
        "--host-pages", action="store_true", help="take pages as the host gives them, warm or not"
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as folder:
        work = Workplace(Path(folder))
        write_file(work.source, asked.corpus, asked.mib * MIB)
        cases = work.cases(asked.corpus)
        if asked.peers:
            cases += [work.case(program) for program in peers(Path(folder), say)]
        wanted = [c for c in cases if not asked.only or c.name in {"cp", *asked.only}]
        with pages.kept(asked.mib * MIB, wanted=not asked.host_pages) as kept:
            runs = interleave(wanted, asked.rounds)
        if "open" in runs:
            work.check()
    _report(runs, asked.corpus, asked.mib * MIB, pages_kept=kept)
    return 0


def _report(runs: dict[str, list[Run]], corpus: str, length: int, *, pages_kept: bool) -> None:
    for name, each in runs.items():
        low, middle, high = ratio(each, runs["cp"])
        figures: dict[str, object] = dict(summary(each))
        user = summary(each)["user"] / length * 1e9
        rate = length / summary(each)["wall"] / 1e6
        figures |= {"mb_per_s": rate, "user_s_per_gb": user, "pages_kept": pages_kept}
        figures |= {"wall_vs_cp": middle, "wall_vs_cp_spread": [low, high]}
        if "bare 2" in runs:
            figures["user_vs_bare"] = summary(each)["user"] / summary(runs["bare 2"])["user"]
        if name != "zstd" and "zstd" in runs:
            least, median, most = ratio(each, runs["zstd"])
            figures |= {"wall_vs_zstd": median, "wall_vs_zstd_spread": [least, most]}
        bench = "stream" if corpus == "media" else f"stream-{corpus}"
        put(bench, name, bytes=length, rounds=len(each), **figures)
        wall = spread([run.wall for run in each])
        say(
            f"{name:<18}{rate:>7,.0f} MB/s"
            f"   wall {middle:.2f} x cp ({low:.2f} to {high:.2f})"
            f"   {wall[1]:.2f} s ({wall[0]:.2f} to {wall[2]:.2f})"
            f"   user {user:.2f} s/GB   peak {summary(each)['peak_kib'] / 1024:.0f} MiB"
        )


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder with the source, and outputs that all programs share."""

    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "source"

    def case(self, program: Program) -> Case:
        """A program that leaves an output, fresh each time."""
        output = self.folder / program.output
        source = self.source if program.of_source else self.folder / "sealed"
        command = [
            {"SOURCE": source, "TARGET": output}.get(str(word), word) for word in program.command
        ]
        return Case(program.name, command, lambda: self._fresh(output, keep=source))

    def cases(self, corpus: str) -> list[Case]:
        """cp and what of the system does as little, the bare loop, and ours."""
        strongroom = Path(sys.executable).with_name("strongroom")
        key = self.folder / "key"
        key.touch(mode=0o600)
        key.write_text(RootKey.generate().to_digits())
        library = native.library()
        loop: list[str | Path] = [sys.executable, PROGRAMS / "bare_loop.py"]
        secret: list[str | Path] = ["--key-file", key]
        programs = [
            Program("cp", ["cp", "SOURCE", "TARGET"], "copy"),
            Program("cat", ["sh", "-c", 'cat "$0" > "$1"', "SOURCE", "TARGET"], "copy"),
            Program("sha256sum", ["sha256sum", "SOURCE"], "copy"),
            Program("bare 1", [*loop, "seal", "SOURCE", "TARGET", library, "1"], "copy"),
            Program("bare 2", [*loop, "seal", "SOURCE", "TARGET", library, "2"], "copy"),
            Program("zstd", [*loop, "zstd", "SOURCE", "TARGET", library, "2"], "copy"),
            Program("seal", [strongroom, "seal", *secret, "SOURCE", "-o", "TARGET"], "sealed"),
            Program("scrub", [strongroom, "scrub", "-q", "SOURCE"], "copy", of_source=False),
            Program(
                "open",
                [strongroom, "open", *secret, "SOURCE", "-o", "TARGET"],
                "opened",
                of_source=False,
            ),
        ]
        wanted = [each for each in programs if each.name != "zstd" or corpus == "text"]
        return [self.case(each) for each in wanted]

    def check(self) -> None:
        """What was opened last is what was sealed. Raises ValueError."""
        if not filecmp.cmp(self.source, self.folder / "opened", shallow=False):
            raise ValueError("what was opened is not what was sealed")

    def _fresh(self, output: Path, *, keep: Path) -> None:
        """No outputs but what is read, and pages for a new one: see docs/PERFORMANCE.md."""
        for name in ("copy", "sealed", "opened"):
            path = self.folder / name
            if path != keep and (path == output or name != "sealed"):
                path.unlink(missing_ok=True)
        pages.warm(self.folder, self.source.stat().st_size)
