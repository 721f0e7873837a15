"""What a backup records: walked, read where it is new, written to a manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from strongroom._core import UNWATCHED, Cancel, Endpoint, Watch
from strongroom.errors import CancelledError, SourceError, UsageError
from strongroom.manifest.entry import is_sound
from strongroom.manifest.merge import Earlier
from strongroom.manifest.reader import Readable
from strongroom.manifest.writer import ManifestWriter, Writable
from strongroom.ops.ahead import Ahead
from strongroom.ops.counts import Counts
from strongroom.ops.exclude import Excludes
from strongroom.ops.gather import Batch, Changed, ChunkPresence, Gatherer
from strongroom.ops.record import Recorder
from strongroom.ops.recording import ChunkSink, Recording, Savepoints
from strongroom.ops.roots import Take, plan_roots
from strongroom.ops.stopping import Promptly, Stopping
from strongroom.ops.walk import WalkOptions, walk

Report: TypeAlias = Callable[[SourceError], None]

# A change that falls into the same tick of the file system's clock as the reading shows in no
# time stamp. Ticks last up to 10 ms (CONFIG_HZ=100).
_TICK_NS = 20_000_000


AnyPath: TypeAlias = "str | bytes | os.PathLike[str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to back up."""

    paths: tuple[str | bytes | os.PathLike[str], ...] = ()
    excludes: tuple[str | bytes, ...] = ()
    """Patterns; see Excludes."""
    exclude_if_present: tuple[str, ...] = ()
    """Names: a folder that holds one of them is taken without its contents."""
    one_file_system: bool = False
    ignore_inode: bool = False
    ignore_ctime: bool = False
    force_read: bool = False
    """Read every file, changed or not."""
    stream_name: str | bytes | None = None
    """The name of the file that holds what comes from stream."""
    stream: Endpoint | None = field(default=None, repr=False)

    @classmethod
    def of(cls, what: Selection | AnyPath | Iterable[AnyPath]) -> Selection:
        """A path, several, or what is a Selection already."""
        if isinstance(what, Selection):
            return what
        if isinstance(what, str | bytes | os.PathLike):
            return cls(paths=(what,))
        return cls(paths=tuple(what))

    def __post_init__(self) -> None:
        if (self.stream_name is None) != (self.stream is None):
            raise UsageError("a stream needs a name, and a name a stream")
        if self.stream_name is not None and self.paths:
            raise UsageError("either paths are backed up or a stream, not both")
        if self.stream_name is None and not self.paths:
            raise UsageError("name what to back up")
        if self.stream_name is not None:
            name = os.fsencode(self.stream_name)
            if not is_sound(name) or b"/" in name:
                raise UsageError(f"{os.fsdecode(name)!r} is not a file name")


class Previous(NamedTuple):
    """The snapshot that tells what is unchanged."""

    manifest: Readable
    time_ns: int
    """When it was begun."""


def record_tree(
    selection: Selection,
    *,
    previous: Sequence[Previous] = (),
    chunks: ChunkPresence,
    sink: ChunkSink | None,
    manifest: Writable,
    report: Report,
    own: frozenset[tuple[int, int]] = frozenset(),
    milestones: Savepoints | None = None,
    stop: Cancel | None = None,
    watch: Watch = UNWATCHED,
) -> tuple[Counts, bool]:
    """Write the manifest of what is selected; contents that chunks does not have go to sink.

    previous: the newest first; an older one goes on where a newer one ends. sink None looks only.
    report: called for each file that could not be read, or changed; the backup goes on. own: see
    WalkOptions. stop: end early when it is set; of a stream nothing is kept then. Returns whether
    all was recorded, too. Raises SourceError when there is nothing to record at all, and what
    fails sink or manifest.
    """
    writer = ManifestWriter(manifest)
    recorder = Recorder()
    stopping = Stopping(watch.cancel, stop)
    promptly = Promptly(stopping)
    recording = Recording(
        sink=sink,
        manifest=writer,
        recorder=recorder,
        report=report,
        milestones=milestones,
        watch=Watch(watch.progress, promptly if selection.stream is not None else stopping),
    )
    complete = True
    if selection.stream is not None:
        recording.take_stream(os.fsencode(selection.stream_name or b""), selection.stream)
    else:
        if selection.force_read:
            previous = ()
        gatherer = Gatherer(
            earlier=Earlier(*(one.manifest for one in previous)),
            chunks=chunks,
            recorder=recorder,
            changed=_changed(selection, previous),
        )
        drawn = _batches(selection, gatherer, own)
        with closing(recording), closing(Ahead(drawn, cancel=promptly)) as batches:
            complete = _take_all(batches, recording, stopping)
        if complete and recording.errors and writer.entries <= _ways_to(selection.paths):
            raise SourceError("backing up: nothing of what was named could be read")
    writer.finish()
    return recording.counts(), complete


def _take_all(batches: Iterable[Batch], recording: Recording, stopping: Stopping) -> bool:
    """False: it was ended early. Raises CancelledError."""
    try:
        for batch in batches:
            recording.take(batch)
        recording.finish()
    except CancelledError:
        if not stopping.is_early:
            raise
    else:
        return True
    with suppress(CancelledError):  # what is in hand may come to its end
        recording.finish()
    return False


def _ways_to(paths: Iterable[str | bytes | os.PathLike[str]]) -> int:
    """How many entries are folders on the way to what was given, and no more."""
    ways = (root.real for root in plan_roots(paths) if root.path and root.take is Take.ITSELF)
    return sum(map(os.path.isdir, ways))


def _changed(selection: Selection, previous: Sequence[Previous]) -> Changed:
    return Changed(
        ignore_inode=selection.ignore_inode,
        ignore_ctime=selection.ignore_ctime,
        settled_ns=tuple(one.time_ns - _TICK_NS for one in previous) or (0,),
    )


def _batches(
    selection: Selection, gatherer: Gatherer, own: frozenset[tuple[int, int]]
) -> Iterable[Batch]:
    options = WalkOptions(
        excludes=Excludes(selection.excludes),
        marker_names=tuple(os.fsencode(name) for name in selection.exclude_if_present),
        one_file_system=selection.one_file_system,
        own=own,
    )
    return gatherer.batches(walk(plan_roots(selection.paths), options, gatherer.report))
