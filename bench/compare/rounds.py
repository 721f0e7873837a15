"""Everyone in turn, round after round: what drifts on the machine drifts for all."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from bench import pages, quiet
from bench.compare.contestant import OPERATIONS, Command, Contestant, Place
from bench.compare.results import WARM_UP, Corpus, Results, of_contestant
from bench.processes import Measured, Run, machine, say

SAID_LEN = 160


class FailedError(Exception):
    """A contestant did not do what it was asked; the text says how."""


@dataclass(frozen=True, slots=True)
class Race:
    """One corpus, and all that run on it."""

    place: Place
    corpus: Corpus
    results: Results

    def run(self, contestants: Sequence[Contestant], rounds: int) -> None:
        """Rounds that are not among the results yet, after one to warm up."""
        with pages.kept(self.corpus.length) as kept:
            for turn in range(rounds + 1):
                for contestant in contestants:
                    if not self.results.has(self.corpus, contestant, turn):
                        self._turn(contestant, turn, pages_kept=kept)
                say(f"{self.corpus.name}: round {turn} of {rounds}")

    def _turn(self, contestant: Contestant, turn: int, *, pages_kept: bool) -> None:
        """All operations, until one fails; nothing is left behind."""
        about = self.corpus.fields() | of_contestant(contestant) | machine()
        about |= {"pages_kept": pages_kept}
        about |= {"lacks": contestant.lacks, "leaves_out": contestant.leaves_out}
        for operation in OPERATIONS:
            if operation not in contestant.steps:
                continue
            line = {"operation": operation, "round": turn, **about}
            try:
                figures = self._measured(contestant, operation)
                if operation == "restore" and turn == WARM_UP:
                    self._check()
                    figures["same"] = True
            except FailedError as error:
                self.results.add(**line, failed=str(error))
                say(f"{contestant.name}: {operation} failed: {error}")
                break
            self.results.add(**line, **figures)
        _remove(self.place.repo, self.place.out, self.place.home)

    def _measured(self, contestant: Contestant, operation: str) -> dict[str, object]:
        environment = self.place.environment() | dict(contestant.environment)

        def before() -> None:
            if operation == "backup":
                self._begin(contestant, environment)
            if operation in {"backup", "restore"}:
                pages.warm(self.place.folder, self.corpus.length)
            _remove(self.place.out)
            self.place.out.mkdir()

        def work() -> Run:
            return self._run(contestant.steps[operation], environment)

        share, run = quiet.least_disturbed(work, before)
        noise = {"disturbed": round(share, 3), "stolen": round(quiet.stolen(), 3)}
        return {**asdict(run), **noise, "stored": _stored(self.place.repo)}

    def _begin(self, contestant: Contestant, environment: dict[str, str]) -> None:
        """No repository, no cache, no configuration but what this makes."""
        _remove(self.place.repo, self.place.home)
        self.place.home.mkdir()
        for command in contestant.before:
            with _last_words() as words:
                done = subprocess.run(
                    command,
                    cwd=self.place.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=words,
                    check=False,
                )
                if done.returncode != 0:
                    raise FailedError(_said(done.returncode, words))

    def _run(self, command: Command, environment: dict[str, str]) -> Run:
        with (
            _last_words() as words,
            Measured(
                command,
                cwd=self.place.out,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
            ) as process,
        ):
            try:
                return process.run()
            except subprocess.CalledProcessError as error:
                raise FailedError(_said(error.returncode, words)) from error

    def _check(self) -> None:
        """What was restored is what was given, byte for byte."""
        source, out = self.place.source, self.place.out
        whole_path = out / str(source).lstrip("/")
        found = whole_path if whole_path.is_dir() else out
        for folder, _, names in os.walk(source):
            files = [name for name in names if Path(folder, name).is_file()]
            beside = found / Path(folder).relative_to(source)
            _, differ, missing = filecmp.cmpfiles(folder, beside, files, shallow=False)
            for name in differ + missing:
                raise FailedError(f"restored otherwise than backed up: {Path(folder, name)}")


@contextmanager
def _last_words() -> Iterator[IO[bytes]]:
    """A file for what a command says of its errors."""
    with tempfile.TemporaryFile() as words:
        yield words


def _said(code: int, words: IO[bytes]) -> str:
    words.seek(0)
    lines = words.read().decode(errors="replace").strip().splitlines()
    return f"exit status {code}: {lines[-1][:SAID_LEN] if lines else 'no reason given'}"


def _stored(path: Path) -> int:
    """Bytes of all files, as long as they are, not as the file system rounds them."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.lstat().st_size for each in files if each.is_file())


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
