"""python -m bench compare: Strongroom beside what people back up with now.

First backup, unchanged backup, restore and full verify, whole processes, everyone in turn, round
after round. Each run is a JSON line in a file, so that an interrupted comparison can go on with
--resume. Prints the table; --report only makes table and plot from the lines that there are.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.compare import table
from bench.compare.contestant import CORPORA, Contestant, Place
from bench.compare.contestants import contestants
from bench.compare.results import Corpus, Results
from bench.compare.rounds import Race
from bench.corpora import MIB
from bench.libraries import write_library
from bench.processes import BUILD, machine, proc_field, say

MEMORY = Path("/dev/shm")  # noqa: S108 - where the disk has no say
ROOM = 5
"""Times the longest corpus: itself, a repository, what is restored, and pages being warmed."""
TEXT_SHARE = 0.5
FILES_A_MIB = 25


def main(arguments: Sequence[str]) -> int:
    """Measure what is not measured yet, and report."""
    asked = _parser().parse_args(arguments)
    if not asked.report:
        if asked.output.exists() and not asked.resume:
            asked.output.replace(asked.output.with_suffix(".old.jsonl"))
        results = Results(asked.output)
        try:
            _measure(asked, results)
        except KeyboardInterrupt:
            say("interrupted; --resume (make bench-compare RESUME=1) goes on from here")
    return _report(asked.output, asked.image or asked.output.with_suffix(".svg"), asked.into)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench compare", description=__doc__)
    parser.add_argument("--corpora", nargs="+", choices=CORPORA[:-1], help="default: all")
    parser.add_argument(
        "--library", dest="source", type=Path, help="a folder of your own, instead; only read"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=1024,
        help="MiB of media; half as much text; 25 small files for each",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names as the table has them")
    parser.add_argument("--all-settings", action="store_true", help="every setting everywhere")
    parser.add_argument("--dir", type=Path, help="where to work; default: memory, if it has room")
    parser.add_argument("--output", type=Path, default=BUILD / "compare.jsonl")
    parser.add_argument("--resume", action="store_true", help="keep the lines that there are")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--image", type=Path, help="the plot; default: beside the lines")
    parser.add_argument(
        "--into", type=Path, nargs="+", default=[], help="Markdown files whose tables are replaced"
    )
    return parser


def _measure(asked: argparse.Namespace, results: Results) -> None:
    length = asked.size * MIB
    names = asked.corpora or ([] if asked.source else CORPORA[:-1])
    for name in names:
        with _workplace(asked.dir, length) as folder:
            place = Place(folder, folder / "library")
            share = TEXT_SHARE if name == "text" else 1
            files = asked.size * FILES_A_MIB
            written = write_library(place.source, name, int(length * share), files)
            _race(asked, results, place, Corpus(name, *written, _file_system(folder)))
    if asked.source:
        source = asked.source.resolve(strict=True)
        lengths = [path.stat().st_size for path in source.rglob("*") if path.is_file()]
        with _workplace(asked.dir, sum(lengths)) as folder:
            corpus = Corpus("own", sum(lengths), len(lengths), _file_system(folder))
            _race(asked, results, Place(folder, source), corpus)


def _race(asked: argparse.Namespace, results: Results, place: Place, corpus: Corpus) -> None:
    def absent(name: str, why: str) -> None:
        say(f"left out: {name}: {why}")
        results.add(contestant=name, absent=why, **machine())

    def wanted(each: Contestant) -> bool:
        if asked.only:
            return each.name in asked.only
        return asked.all_settings or corpus.name in each.on

    chosen = [each for each in contestants(place, absent) if wanted(each)]
    Race(place, corpus, results).run(chosen, asked.rounds)


@contextmanager
def _workplace(given: Path | None, length: int) -> Iterator[Path]:
    """A folder of its own, gone afterwards."""
    where = given
    if where is None and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        unused_kib = int(proc_field("/proc/meminfo", "MemAvailable").split()[0])
        room = min(unused_kib * 1024, shutil.disk_usage(MEMORY).free)
        where = MEMORY if room > ROOM * length else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=where) as folder:
        if shutil.disk_usage(folder).free < ROOM * length:
            say(f"{folder} has less than {ROOM} times the corpus free: some may fail")
        yield Path(folder)


def _file_system(folder: Path) -> str:
    """Its type: tmpfs, ext4."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    above = [(point, kind) for _, point, kind, *_ in mounts if folder.is_relative_to(point)]
    return max(above, key=lambda each: len(each[0]))[1]


def _report(lines: Path, image: Path, into: Sequence[Path]) -> int:
    results = Results(lines)
    if not results.corpora():
        say(f"{lines}: nothing was measured")
        return 1
    print(table.markdown(results))
    say(f"\nlines: {lines}")
    if importlib.util.find_spec("matplotlib") is None:
        say("no plot: matplotlib is not installed")
    else:
        importlib.import_module("bench.compare.plot").draw(results.corpora(), image)
        say(f"plot: {image}")
    for document in into:
        table.replace(document, results)
        say(f"table: {document}")
    return 0
