"""Restore from a repository."""

from __future__ import annotations

import os
from collections.abc import Sequence

from strongroom._core import UNWATCHED, Watch
from strongroom._core.rows import Rows
from strongroom._core.segments import Want, failures, want_error
from strongroom.errors import DamagedError
from strongroom.ops.contents import Fetching
from strongroom.ops.restore_options import Reports, RestoreCounts, RestoreOptions
from strongroom.ops.restore_tree import restore_tree
from strongroom.repository.opened import OpenRepository
from strongroom.repository.snapshots import Snapshot


class RepositoryChunks:
    """The chunks of a repository, as a restore fetches them."""

    def __init__(self, repository: OpenRepository, threads: int) -> None:
        """threads: at most this many; 0: as many as there are processors."""
        self._repository = repository
        self._threads = threads

    def start(self, wants: Rows[Want], fds: Sequence[int], /) -> Fetching:
        """Begin to write them to files."""
        repository = self._repository
        job = repository.segments.start_fetch(repository.index, wants, fds, threads=self._threads)
        return _Noting(repository, job, wants)


class _Noting:
    """A fetch whose damaged chunks leave the index, so that the next backup stores them again."""

    def __init__(self, repository: OpenRepository, job: Fetching, wants: Rows[Want]) -> None:
        self._repository = repository
        self._job = job
        self._wants = wants

    def watch(self, watch: Watch, /) -> object:
        """See Fetching."""
        done = self._job.watch(watch)
        bad = failures(self._wants)
        damaged = [w.id for w in bad if isinstance(want_error(w, doing=""), DamagedError)]
        if damaged:
            self._repository.note_bad(damaged)
        return done

    def close(self) -> None:
        """See Fetching."""
        self._job.close()


def restore(
    repository: OpenRepository,
    snapshot: Snapshot,
    target: str | bytes | os.PathLike[str],
    *,
    reports: Reports,
    paths: Sequence[str | bytes | os.PathLike[str]] = (),
    options: RestoreOptions | None = None,
    threads: int = 0,
    watch: Watch = UNWATCHED,
) -> RestoreCounts:
    """Bring back a snapshot, or paths of it, below target; see restore_tree."""
    return restore_tree(
        lambda: repository.open_manifest(snapshot),
        target,
        chunks=RepositoryChunks(repository, threads),
        reports=reports,
        paths=paths,
        options=options,
        expected_bytes=snapshot.bytes,
        watch=watch,
    )
