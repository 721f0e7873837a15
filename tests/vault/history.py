"""python history.py FILE: whether what users saw of a vault fits its rules. Exit code 1: it does
not, and what does not is printed.

A line a JSON object. Times are seconds of one clock; what was tried and has outcome "lost" may have
been done or not. The rules are those of docs/VAULT.md, 5; nothing of the vault's own code is used.

    {"op": "rules", "attempts": 10}
    {"op": "offer", "user", "begin", "end", "outcome", "seq", "head"}    what it said of its log
    {"op": "guess", "user", "begin", "end", "outcome", "ke1"}    outcome: answered, refused, lost
    {"op": "release", "user", "begin", "end", "outcome", "ke1", "seq", "head"}    or released
    {"op": "log", "user", "entries"}    all of it, at the end, in hexadecimal
"""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]

ENTRY = struct.Struct(">QQBBH16s32s")
CONFIRMED, CHARGED, RECOVERED = 2, 3, 4
LABEL = b"strongroom/1 vault log\0"


def faults(events: Iterable[Event]) -> list[str]:
    """What breaks the rules, in words."""
    attempts, users = 0, defaultdict(list)
    for event in events:
        if event["op"] == "rules":
            attempts = event["attempts"]
        else:
            users[event["user"]].append(event)
    return [
        f"{user}: {fault}" for user, seen in users.items() for fault in _of_user(seen, attempts)
    ]


def _of_user(seen: list[Event], attempts: int) -> Iterator[str]:
    by_op = defaultdict(list)
    for event in sorted(seen, key=lambda event: event.get("begin", 0)):
        by_op[event["op"]].append(event)
    if len(by_op["log"]) != 1:
        yield "its log was not read"
        return
    chain = [bytes.fromhex(entry) for entry in by_op["log"][0]["entries"]]
    yield from _of_chain(chain, attempts)
    yield from _of_counts(by_op["guess"], chain, CHARGED, "answered", "charged")
    yield from _of_counts(by_op["release"], chain, RECOVERED, "released", "recovered")
    yield from _of_limit(by_op["guess"], by_op["release"], attempts)
    released = [event for event in by_op["release"] if event["outcome"] == "released"]
    shown = [event for event in by_op["offer"] if event["outcome"] == "answered"]
    yield from _of_views(shown + released, by_op["guess"], released, chain)


def _of_chain(chain: list[bytes], attempts: int) -> Iterator[str]:
    """The log is linked, and what it says of attempts left adds up."""
    previous, left = bytes(32), attempts
    for number, packed in enumerate(chain, 1):
        seq, _, event, now_left, _, _, link = ENTRY.unpack(packed)
        if (seq, link) != (number, previous):
            yield f"entry {number} of its log is not linked to the one before"
        previous = _hash(packed)
        left = {CHARGED: left - 1, RECOVERED: attempts}.get(event, left)
        if now_left != left or left < 0:
            yield f"entry {number} of its log says {now_left} left, not {left}"
        left = now_left


def _of_counts(
    tries: list[Event], chain: list[bytes], kind: int, good: str, word: str
) -> Iterator[str]:
    """Each guess that got an answer is in the log, and none is twice."""
    sure = {event["ke1"] for event in tries if event["outcome"] == good}
    maybe = sure | {event["ke1"] for event in tries if event["outcome"] == "lost"}
    count = sum(_event(entry) == kind for entry in chain)
    if not len(sure) <= count <= len(maybe):
        yield f"{len(sure)} guesses were {good}, at most {len(maybe)}, and {count} {word}"


def _of_limit(guesses: list[Event], releases: list[Event], attempts: int) -> Iterator[str]:
    """Between two tries that may have restored attempts, no more are answered than there are."""
    restored = [event for event in releases if event["outcome"] != "refused"]
    edges = [(0.0, 0.0), *((event["begin"], event["end"]) for event in restored), (2.0**63, 0.0)]
    unsure = {event["ke1"] for event in restored} - {
        event["ke1"] for event in restored if event["outcome"] == "released"
    }
    for number, ((_, since), (until, _)) in enumerate(itertools.pairwise(edges)):
        if number and restored[number - 1]["ke1"] in unsure:
            continue  # it may restore them at any time after
        answered = {
            event["ke1"]
            for event in guesses
            if event["outcome"] == "answered" and since < event["begin"] and event["end"] < until
        }
        if len(answered) > attempts:
            yield f"{len(answered)} guesses were answered in a row, of {attempts}"


def _of_views(
    views: list[Event], guesses: list[Event], released: list[Event], chain: list[bytes]
) -> Iterator[str]:
    """What was shown of the log is in it, and has all that was over before it was asked for."""
    answered = [event for event in guesses if event["outcome"] == "answered"]
    for view in views:
        seq = view["seq"]
        if seq > len(chain) or (seq and _hash(chain[seq - 1]).hex() != view["head"]):
            yield f"entry {seq} was shown, and is no more in its log"
            continue
        if any(other["end"] < view["begin"] and other["seq"] > seq for other in views):
            yield f"its log went back to {seq}"
        for tries, kind, word in ((answered, CHARGED, "charged"), (released, RECOVERED, "kept")):
            before = {event["ke1"] for event in tries if event["end"] < view["begin"]}
            if len(before) > sum(_event(entry) == kind for entry in chain[:seq]):
                yield f"by entry {seq} {len(before)} were over, and not all are {word}"


def _event(packed: bytes) -> int:
    return int(ENTRY.unpack(packed)[2])


def _hash(packed: bytes) -> bytes:
    return hashlib.sha256(LABEL + packed).digest()


def main(path: Path) -> int:
    """Print what breaks the rules."""
    with path.open(encoding="utf-8") as file:
        found = faults(json.loads(line) for line in file)
    for fault in found:
        sys.stdout.write(fault + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
