"""What `python -m bench vault` measures: a vault's processes, and the parts of one guess."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dev.etcd import trio
from strongroom.vault.messages import RecoverAttempt, RecoverBegin
from strongroom.vault.opaque import Login
from strongroom.vault.server import recover
from strongroom.vault.server.config import read_config
from strongroom.vault.server.opening import opened
from strongroom.vault.wire import NO_ID

STRONGROOM = str(Path(sys.executable).with_name("strongroom"))
POLICY = "delays = [0]\nattempts = 100\nlifetime = 10000\n"


def serve(
    folder: Path, *, etcd: bool, hsm: Path | None, processes: int, stack: ExitStack
) -> list[str]:
    """The addresses of vaults that are served until stack is closed, as vault.toml in folder says.
    Their witness lies there, too."""
    config = folder / "vault.toml"
    words = ["--listen", "127.0.0.1:0", "--witness", str(folder / "witness"), "-q"]
    if etcd:
        (folder / "etcd").mkdir()
        made = stack.enter_context(trio(folder / "etcd"))
        (folder / "etcd.toml").write_text(made.table)
        words += ["--etcd", str(folder / "etcd.toml")]
    if hsm is not None:
        words += ["--hsm", str(hsm.absolute())]
    subprocess.run([STRONGROOM, "vault", "init", "--config", str(config), *words], check=True)
    with config.open("a") as file:
        file.write(POLICY)
    return [stack.enter_context(_served(config)) for _ in range(processes)]


@contextmanager
def _served(config: Path) -> Iterator[str]:
    with config.with_suffix(".log").open("ab") as log:
        words = [STRONGROOM, "vault", "serve", "--config", str(config)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("no output")
        yield process.stdout.readline().split()[1]
    finally:
        process.terminate()
        process.communicate()


def parts_of_a_guess(config: Path, rounds: int) -> dict[str, float]:
    """Milliseconds, medians, by a process that asks itself: what the rows take, the witness, the
    keys, and OPAQUE. The account is a0."""
    taken: dict[str, list[float]] = defaultdict(list)
    with opened(read_config(config)) as core:
        ref = core.user_ref("a0")
        for one, name in (
            (core.store, "transact"),
            (core.witness, "seen"),
            (core.witness, "tell"),
            (core.keeper, "unseal"),
        ):
            _watch(one, name, taken)
        for _ in range(rounds):
            offer = recover.begin(core, ref, RecoverBegin(NO_ID))
            for times in taken.values():
                times.append(0.0)  # of the offer; the attempt's come now
            asked = RecoverAttempt(offer.record_id, offer.token, Login("wrong").ke1)
            begun = time.perf_counter()
            recover.attempt(core, ref, asked)
            taken["attempt"].append(time.perf_counter() - begun)
    names = {"attempt": "all of it", "transact": "rows", "tell": "witness", "unseal": "unsealing"}
    return {
        shown: round(1000 * statistics.median(filter(None, taken[name])), 3)
        for name, shown in names.items()
        if any(taken[name])
    }


def _watch(one: Any, name: str, taken: dict[str, list[float]]) -> None:
    act: Callable[..., Any] = getattr(one, name)

    def watched(*args: Any) -> Any:
        begun = time.perf_counter()
        try:
            return act(*args)
        finally:
            taken[name].append(time.perf_counter() - begun)

    setattr(one, name, watched)
