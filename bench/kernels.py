"""python -m bench kernels: every kernel by itself, under pyperf.

Options after -- go to pyperf. JSON lines on stdout, pyperf's own file in build/bench.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

import pyperf  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bench.corpora import MIB
from bench.native import DEFAULT_LEN, TEXT_LEN, Kernels
from bench.processes import BUILD, ROOT, put, say

OUTPUT = BUILD / "kernels.json"
PROCESSES = 6


def main(arguments: Sequence[str]) -> int:
    """Measure all, in processes of their own, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench kernels", description=__doc__)
    parser.add_argument("--mib", type=int, default=DEFAULT_LEN // MIB, help="memory to walk")
    parser.add_argument("options", nargs="*", help="of pyperf, after --")
    asked = parser.parse_args(arguments)
    OUTPUT.unlink(missing_ok=True)
    kernels = Kernels(asked.mib * MIB, min(TEXT_LEN, asked.mib * MIB // 4))
    command = [sys.executable, "-m", "bench.kernels", "--quiet", f"--processes={PROCESSES}"]
    command += [*asked.options, f"--mib={asked.mib}", "-o", str(OUTPUT)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
    for bench in pyperf.BenchmarkSuite.load(str(OUTPUT)):
        name = bench.get_name()
        seconds, length = bench.median(), kernels.bytes_of(name)
        spread = [min(bench.get_values()), max(bench.get_values())]
        rate = length / seconds / 1e9
        put("kernels", name, bytes=length, seconds=seconds, spread=spread, gb_per_s=rate)
        say(f"{name:<18}{rate:>8.2f} GB/s {seconds * 1e6:>12,.1f} us")
    return 0


def _under_pyperf() -> None:
    """What pyperf starts, and starts itself again from."""

    def pass_on(command: list[str], asked: argparse.Namespace) -> None:
        command.append(f"--mib={asked.mib}")

    runner = pyperf.Runner(program_args=("-m", "bench.kernels"), add_cmdline_args=pass_on)
    runner.argparser.add_argument("--mib", type=int, default=DEFAULT_LEN // MIB)
    length = runner.parse_args().mib * MIB
    kernels = Kernels(length, min(TEXT_LEN, length // 4))
    for name in kernels.names:
        runner.bench_time_func(name, lambda loops, name: kernels.seconds(name, loops), name)


if __name__ == "__main__":
    _under_pyperf()
