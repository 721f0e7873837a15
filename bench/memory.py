"""python -m bench memory: streams in memory beside what they are made of, interleaved.

Every round runs every kernel once, for about the same time each; ratios are taken round by round.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bench.corpora import MIB
from bench.native import DEFAULT_LEN, TEXT_LEN, Kernels
from bench.processes import put, say, spread
from bench.quiet import undisturbed

Speeds = Mapping[str, float]
"""GB/s of each kernel in one round."""


def ceiling(speeds: Speeds, kind: str) -> float:
    """What one thread could do that only encrypts and hashes, GB/s. kind: hot or walk."""
    return 1 / (1 / speeds[f"aes_{kind}"] + 1 / speeds[f"blake3_{kind}"])


RATIOS: Mapping[tuple[str, str], Callable[[Speeds], float]] = {
    ("seal_1", "of_ceiling"): lambda s: s["seal_1"] / ceiling(s, "hot"),
    ("open_1", "of_ceiling"): lambda s: s["open_1"] / ceiling(s, "hot"),
    ("seal_1", "of_walking_ceiling"): lambda s: s["seal_1"] / ceiling(s, "walk"),
    ("open_1", "of_walking_ceiling"): lambda s: s["open_1"] / ceiling(s, "walk"),
    ("seal_1", "of_bare"): lambda s: s["seal_1"] / s["bare_1"],
    ("open_1", "of_bare"): lambda s: s["open_1"] / s["bare_1"],
    ("frame_seal_hot", "of_ceiling"): lambda s: s["frame_seal_hot"] / ceiling(s, "hot"),
    ("frame_open_hot", "of_ceiling"): lambda s: s["frame_open_hot"] / ceiling(s, "hot"),
    ("seal_2", "of_one_thread"): lambda s: s["seal_2"] / s["seal_1"],
    ("open_2", "of_one_thread"): lambda s: s["open_2"] / s["open_1"],
    ("scrub_2", "of_one_thread"): lambda s: s["scrub_2"] / s["scrub_1"],
    ("bare_2", "of_one_thread"): lambda s: s["bare_2"] / s["bare_1"],
    ("bare_zstd_2", "of_one_thread"): lambda s: s["bare_zstd_2"] / s["bare_zstd_1"],
    ("seal_text_1", "time_of_zstd"): lambda s: s["bare_zstd_1"] / s["seal_text_1"],
    ("seal_text_2", "time_of_zstd"): lambda s: s["bare_zstd_2"] / s["seal_text_2"],
    ("compress_checked", "time_of_zstd"): lambda s: s["zstd_compress"] / s["compress_checked"],
}


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench memory", description=__doc__)
    parser.add_argument("--mib", type=int, default=DEFAULT_LEN // MIB, help="memory to walk")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.15, help="of each kernel in a round")
    asked = parser.parse_args(arguments)
    kernels = Kernels(asked.mib * MIB, min(TEXT_LEN, asked.mib * MIB // 4))
    rounds = measure(kernels, asked.rounds, asked.seconds)
    for name in kernels.names:
        low, middle, high = spread([each[name] for each in rounds])
        figures: dict[str, object] = {"gb_per_s": middle, "spread": [low, high]}
        words = ""
        for (kernel, what), ratio in RATIOS.items():
            if kernel == name:
                least, median, most = spread([ratio(each) for each in rounds])
                figures |= {what: median, f"{what}_spread": [least, most]}
                words += f"   {what} {median:.2f} ({least:.2f} to {most:.2f})"
        put("memory", name, rounds=asked.rounds, mib=asked.mib, **figures)
        say(f"{name:<18}{middle:>8.2f} GB/s{words}")
    return 0


def measure(kernels: Kernels, rounds: int, seconds: float) -> list[dict[str, float]]:
    """GB/s of every kernel, round by round; a first round, not counted, finds how often each is
    run in the time given."""
    loops = {}
    for name in kernels.names:
        once = kernels.seconds(name, 1)
        again = kernels.seconds(name, 4) / 4 if once < seconds else once
        loops[name] = max(1, round(seconds / again))
    measured = []
    for _ in range(rounds):
        speeds = {}
        for name, count in loops.items():
            taken = undisturbed(partial(kernels.seconds, name, count))
            speeds[name] = kernels.bytes_of(name) * count / taken / 1e9
        measured.append(speeds)
    return measured
