"""python -m bench.stream: seal, scrub and open one file beside cp, as whole processes.

Outputs are fresh files. Prints a table on stderr and JSON lines on stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.corpora import CORPORA, write_file
from bench.processes import Case, interleave, machine, ratio, summary
from strongroom import RootKey

MIB = 1 << 20


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.stream", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="length of the file")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--corpus", choices=CORPORA, default="media")
    parser.add_argument("--dir", type=Path, help="where to work; a tmpfs leaves the disk out")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.dir) as folder:
        source = Path(folder) / "source"
        write_file(source, asked.corpus, asked.mib * MIB)
        runs = interleave(_cases(Path(folder), source), asked.rounds)
    length = asked.mib * MIB
    for name, each in runs.items():
        low, middle, high = ratio(each, runs["cp"])
        figures = summary(each)
        figures["user_s_per_gb"] = figures["user"] / length * 1e9
        line = {"case": name, "corpus": asked.corpus, "bytes": length, "rounds": asked.rounds}
        print(json.dumps({**line, **figures, "wall_vs_cp": middle, **machine()}))
        print(
            f"{name:<8} {length / figures['wall'] / 1e6:>7,.0f} MB/s"
            f"   wall {middle:.2f} x cp ({low:.2f} to {high:.2f})"
            f"   user {figures['user_s_per_gb']:.2f} s/GB"
            f"   peak {figures['peak_kib'] / 1024:.0f} MiB",
            file=sys.stderr,
        )
    return 0


def _cases(folder: Path, source: Path) -> list[Case]:
    program = Path(sys.executable).with_name("strongroom")
    key_file = folder / "key"
    key_file.touch(mode=0o600)
    key_file.write_text(RootKey.generate().to_digits())
    copy, sealed, opened = folder / "copy", folder / "sealed", folder / "opened"

    def fresh(*outputs: Path) -> None:
        """Pages of a removed file of the same size are in the guest; see docs/DESIGN.md."""
        for output in outputs:
            output.unlink(missing_ok=True)
        scratch = folder / "scratch"
        write_zeros(scratch, source.stat().st_size)
        scratch.unlink()

    secret = ("--key-file", key_file)
    return [
        Case("cp", ["cp", source, copy], lambda: fresh(copy, opened)),
        Case("seal", [program, "seal", *secret, source, "-o", sealed], lambda: fresh(copy, sealed)),
        Case("scrub", [program, "scrub", "-q", sealed], lambda: None),
        Case("open", [program, "open", *secret, sealed, "-o", opened], lambda: fresh(opened)),
    ]


def write_zeros(path: Path, length: int) -> None:
    """A file of length bytes, every page touched."""
    block = bytes(MIB)
    with path.open("wb") as file:
        for at in range(0, length, MIB):
            file.write(block[: min(MIB, length - at)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
