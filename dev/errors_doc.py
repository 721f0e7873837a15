"""docs/ERRORS.md from strongroom.errors: python -m dev.errors_doc > docs/ERRORS.md"""

from __future__ import annotations

import inspect

from strongroom import errors
from strongroom.errors import StrongroomError

BEGINNING = """\
# Errors and exit codes

Written by `python -m dev.errors_doc`; the source is `engine/strongroom/errors.py`.

Messages say what was being done, to what, and what happened; a hint follows on a line of its own:

```
strongroom: error: opening film.mkv.sealed: wrong key, or the envelope was altered
strongroom: hint: check that this is the key or password it was sealed with
```

Exit code 0 means that all was done. Where several files fail, the gravest for the data decides: 15,
then 13, then 12, then 14, then 3. 143 and 129 follow SIGTERM and SIGHUP, after which, as after 130,
nothing half-written stays behind.

| exit code | Python | meaning | hint unless a better one is known |
|---|---|---|---|
"""


def render() -> str:
    """The whole document."""
    named = vars(errors).values()
    classes = [c for c in named if inspect.isclass(c) and issubclass(c, StrongroomError)]
    ordered = sorted(classes, key=lambda cls: (cls.exit_code, len(cls.__mro__)))
    return BEGINNING + "".join(_row(cls) for cls in ordered)


def _row(cls: type[StrongroomError]) -> str:
    meaning = " ".join((cls.__doc__ or "").split())
    return f"| {cls.exit_code} | `{cls.__name__}` | {meaning} | {cls.default_hint or ''} |\n"


if __name__ == "__main__":
    print(render(), end="")
