"""How a scrubbed repository is reported."""

from __future__ import annotations

from strongroom.cli.console import Console
from strongroom.cli.coverage import covered_fields, covered_words
from strongroom.cli.opening import counted, freshness_fields, say_freshness, size_words, time_words
from strongroom.cli.options import accepts_rollback
from strongroom.cli.outcome import Outcome
from strongroom.cli.progress import Meter
from strongroom.errors import StrongroomError
from strongroom.ops.scrub_repository import RepositoryScrub, scrub_repository


def report_repository(
    url: str,
    public_key: bytes | None,
    threads: int | None,
    console: Console,
    *,
    resume: bool,
) -> None:
    """Scrub it, and say what was found. Raises DamagedError if anything was."""
    outcome = Outcome(console)

    def name(damaged: str, error: StrongroomError) -> None:
        outcome.add(error, object=damaged)

    with Meter(console, "scrubbing", None) as meter, meter.file("", 0) as step:
        result = scrub_repository(
            url,
            public_key=public_key,
            threads=threads,
            on_damage=name,
            on_total=meter.expect,
            accept_rollback=accepts_rollback(),
            resume=resume,
            progress=step,
        )
    _report(url, result, console)
    outcome.settle(
        f"scrubbing {url}: {counted(outcome.count, 'object')} damaged or missing",
        hint='"strongroom verify" names the files that are hurt; it needs the key',
    )


def _report(url: str, result: RepositoryScrub, console: Console) -> None:
    for name in result.superfluous:
        console.say(f"{name}: in no snapshot; left by a backup that was interrupted, or runs now")
    for words in result.warnings:
        console.say(f"strongroom: warning: {words}")
    say_freshness(result.freshness, result.head, console)
    if result.resumed is not None:
        since = time_words(result.resumed)
        console.say(f"gone on with from {since}: {covered_words(result.read)} were left")
    amount = f"{result.segments} segments, {size_words(result.stored_bytes)}"
    state = "damaged" if result.damaged else ("authentic" if result.trusted else "consistent")
    console.say(f"{url}: {state}, {result.entries} log entries, {amount}")
    console.say(f"public key {result.public_key.hex()}")
    console.emit(
        summary=True,
        repository=url,
        state=state,
        repo_id=result.repo_id.hex(),
        public_key=result.public_key.hex(),
        **freshness_fields(result.freshness, result.head),
        entries=result.entries,
        segments=result.segments,
        stored_bytes=result.stored_bytes,
        read=covered_fields(result.read),
        resumed=None if result.resumed is None else time_words(result.resumed),
        superfluous=list(result.superfluous),
        errors=result.damaged,
    )
