"""A backup that is running: what it adds, before it is committed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from strongroom._core import TYPE_MANIFEST, UNWATCHED, SealOptions, Watch
from strongroom._core.index import ChunkIndex
from strongroom._core.session import SessionOptions, WriteSession
from strongroom.keys.envelope import Session, seal_envelope
from strongroom.keys.rootkey import RootKey
from strongroom.repository.entry import SegmentRef
from strongroom.repository.manifests import ManifestTarget
from strongroom.repository.spool import Spool

if TYPE_CHECKING:
    from typing import Self


class SessionKeys:
    """What a session's segments are sealed with. Never shown, so no tuple."""

    def __init__(self, root: RootKey, repo_id: bytes, chunk: bytes) -> None:
        self.root = root
        self.repo_id = repo_id
        self.chunk = chunk

    def __repr__(self) -> str:
        return "SessionKeys(hidden)"


class Effort(NamedTuple):
    """How hard to work."""

    level: int = 3
    """Of zstd; 0 compresses nothing."""
    threads: int = 0
    """At most this many; 0: as many as there are processors."""


class BackupSession:
    """Takes files and streams in through `write`, and the manifest of what was taken.

    OpenRepository.begin_session makes it and commit ends it; closed without that, nothing of it
    is left but what commit_partial made part of the repository.
    """

    def __init__(
        self,
        keys: SessionKeys,
        index: ChunkIndex,
        spool: Spool,
        *,
        base: int,
        effort: Effort,
        ended: Callable[[BackupSession], None],
    ) -> None:
        """base: the newest log entry that the index knows. ended: told when this is closed.
        spool is closed with this."""
        self.id = os.urandom(16)
        self.base = base
        self.committed = False
        self.spool = spool
        self.partial: bytes | None = None
        """The manifest of the partial snapshot that the log has of this session."""
        self._waiting: list[SegmentRef] = []
        key = os.urandom(32)
        envelopes = seal_envelope(keys.root, Session(keys.repo_id, self.id), key)
        self._manifest_options = SealOptions(
            repo_id=keys.repo_id,
            session_id=self.id,
            session_key=key,
            envelopes=envelopes,
            level=effort.level,
            pad=True,
            threads=effort.threads,
            kind=TYPE_MANIFEST,
        )
        with ExitStack() as stack:
            stack.callback(ended, self)
            stack.enter_context(spool)
            self.write = stack.enter_context(
                WriteSession(
                    SessionOptions(
                        repo_id=keys.repo_id,
                        session_id=self.id,
                        session_key=key,
                        chunk_key=keys.chunk,
                        envelopes=envelopes,
                        level=effort.level,
                        threads=effort.threads,
                    ),
                    index=index,
                    folder=spool.folder,
                )
            )
            self._stack = stack.pop_all()

    def new_manifest(self) -> ManifestTarget:
        """To write the manifest to; its finish gives what commit wants."""
        return ManifestTarget(self._manifest_options, self.spool.folder)

    def waiting(self) -> list[SegmentRef]:
        """Data segments that are complete and not in the log yet. While a job runs, too."""
        self._waiting.extend(
            SegmentRef(info.id, info.root, info.length, info.type)
            for info in self.write.take_segments()
        )
        return self._waiting

    def flush(self) -> None:
        """What was taken in is complete then, and waiting."""
        self.write.flush()

    def published(self, manifest: bytes | None) -> None:
        """What was waiting is in the log now, and so is that manifest."""
        self._waiting = []
        if manifest is not None:
            self.partial = manifest

    def finish(self, *, watch: Watch = UNWATCHED) -> list[SegmentRef]:
        """Close the data segments; nothing can be taken in after that. Those that are waiting."""
        self.write.finish(watch=watch)
        return self.waiting()

    def close(self) -> None:
        """Leave nothing of what was not committed. More than once is fine."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
