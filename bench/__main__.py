"""python -m bench all | kernels | memory | stream | repository | compare | sizes | moments
  | limits | plot | scale | vault | interrupted

`all` runs what measures Strongroom, each piece in a process of its own, keeps the JSON lines,
prints what was reached and draws the plot: about half an hour. Run it while nothing else runs.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.processes import BUILD, ROOT, say

PIECES = (
    "scale",
    *("kernels", "memory", "stream", "repository", "compare"),
    *("sizes", "moments", "limits", "plot", "vault", "interrupted"),
)


def main(arguments: Sequence[str]) -> int:
    """Run one piece, or all."""
    if arguments[:1] == ["all"]:
        return _all(arguments[1:])
    if not arguments or arguments[0] not in PIECES:
        say(f"usage: {__doc__}")
        return 2
    piece = importlib.import_module(f"bench.{arguments[0]}")
    return int(piece.main(arguments[1:]))


def _all(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench all", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="length of files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="where to work; a tmpfs leaves the disk out")
    parser.add_argument("--output", type=Path, default=BUILD / "results.jsonl")
    asked = parser.parse_args(arguments)
    size, rounds = f"--mib={asked.mib}", f"--rounds={asked.rounds}"
    place = [] if asked.dir is None else [f"--dir={asked.dir}"]
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    with asked.output.open("w") as output:
        for words in (
            ["stream", size, rounds, "--peers", *place],
            ["stream", f"--mib={asked.mib // 2}", rounds, "--corpus=text", *place],
            ["memory", rounds],
            ["sizes", f"--mib={asked.mib}", f"{asked.mib * 4}", f"--text-mib={asked.mib // 2}"],
            ["moments", size, *place],
            ["kernels"],
        ):
            say(f"\n== {' '.join(words)}")
            command = [sys.executable, "-m", "bench", *words]
            subprocess.run(command, cwd=ROOT, stdout=output, check=True)
    say("")
    importlib.import_module("bench.limits").main([str(asked.output)])
    return int(_plot(asked.output))


def _plot(results: Path) -> int:
    image = results.with_suffix(".svg")
    plot = importlib.import_module("bench.plot")
    done = int(plot.main([str(results), str(image)]))
    say(f"\nresults: {results}\nplot: {image}")
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
