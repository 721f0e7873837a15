"""How much of a repository a check has covered, as options and as words."""

from __future__ import annotations

import math
from typing import Any

import click

from strongroom.cli.opening import size_words, time_words
from strongroom.repository.rounds import Covered


class _Percent(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """5% or 0.5 as a share of one."""

    name = "percent"

    def convert(
        self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            percent = float(str(value).removesuffix("%"))
        except ValueError:
            percent = math.nan
        if not 0 < percent <= 100:
            self.fail(f"{value!r} is not a percentage above 0 and up to 100, such as 5%")
        return percent / 100


PERCENT = _Percent()


def covered_fields(covered: Covered | None) -> dict[str, Any] | None:
    """What --json says of it."""
    if covered is None:
        return None
    return {
        "segments": covered.segments,
        "of_segments": covered.of_segments,
        "stored_bytes": covered.stored_bytes,
        "of_bytes": covered.of_bytes,
        "since": time_words(covered.since),
    }


def covered_words(covered: Covered) -> str:
    """3 of 60 segments, 150.0 MiB (5.0 %)"""
    return (
        f"{covered.segments} of {covered.of_segments} segments, "
        f"{size_words(covered.stored_bytes)} ({covered.percent:.1f} %)"
    )
