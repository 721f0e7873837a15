"""Strongroom: end-to-end encrypted backups at the speed of the disk.

    key = RootKey.generate()
    sealed = seal_file("film.mkv", "film.mkv.sealed", key=key)
    scrub("film.mkv.sealed", root=sealed.root)  # needs no key
    open_file("film.mkv.sealed", "film-again.mkv", key=key)

    with Repository.create("/mnt/backup", key=key) as repository:
        repository.backup(["/home/ada/films"])
        repository.restore("latest", "/tmp/again")

Names load when first used, so that importing the package costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom._core import Cancel as Cancel
    from strongroom._core import Progress as Progress
    from strongroom._core import Result as Result
    from strongroom.errors import CancelledError as CancelledError
    from strongroom.errors import ConflictError as ConflictError
    from strongroom.errors import DamagedError as DamagedError
    from strongroom.errors import IncompleteError as IncompleteError
    from strongroom.errors import InvalidKeyError as InvalidKeyError
    from strongroom.errors import LimitError as LimitError
    from strongroom.errors import NoRepositoryError as NoRepositoryError
    from strongroom.errors import ObjectExistsError as ObjectExistsError
    from strongroom.errors import ObjectMissingError as ObjectMissingError
    from strongroom.errors import RolledBackError as RolledBackError
    from strongroom.errors import SourceError as SourceError
    from strongroom.errors import StrongroomError as StrongroomError
    from strongroom.errors import TargetError as TargetError
    from strongroom.errors import TargetExistsError as TargetExistsError
    from strongroom.errors import UnsupportedError as UnsupportedError
    from strongroom.errors import UsageError as UsageError
    from strongroom.errors import WrongKeyError as WrongKeyError
    from strongroom.keys.envelope import Credential as Credential
    from strongroom.keys.password import KdfParameters as KdfParameters
    from strongroom.keys.password import Password as Password
    from strongroom.keys.rootkey import RootKey as RootKey
    from strongroom.manifest.entry import Entry as Entry
    from strongroom.ops.backup import BackupResult as BackupResult
    from strongroom.ops.backup import Labels as Labels
    from strongroom.ops.chunked import SnapshotFile as SnapshotFile
    from strongroom.ops.counts import Counts as Counts
    from strongroom.ops.describe import RepositoryInfo as RepositoryInfo
    from strongroom.ops.describe import describe_repository as describe_repository
    from strongroom.ops.forget import TagChange as TagChange
    from strongroom.ops.inspect import SealedInfo as SealedInfo
    from strongroom.ops.inspect import inspect_file as inspect_file
    from strongroom.ops.open import open_bytes as open_bytes
    from strongroom.ops.open import open_file as open_file
    from strongroom.ops.open import open_into as open_into
    from strongroom.ops.opener import Opener as Opener
    from strongroom.ops.overwrite import Overwrite as Overwrite
    from strongroom.ops.prove import Proof as Proof
    from strongroom.ops.prove import prove as prove
    from strongroom.ops.prove import verify_proof as verify_proof
    from strongroom.ops.prune import PruneOptions as PruneOptions
    from strongroom.ops.repository import Repository as Repository
    from strongroom.ops.restore_options import RestoreCounts as RestoreCounts
    from strongroom.ops.restore_options import RestoreOptions as RestoreOptions
    from strongroom.ops.retention import Policy as Policy
    from strongroom.ops.saved import SavedSnapshot as SavedSnapshot
    from strongroom.ops.scrub import ScrubResult as ScrubResult
    from strongroom.ops.scrub import scrub as scrub
    from strongroom.ops.scrub_repository import RepositoryScrub as RepositoryScrub
    from strongroom.ops.scrub_repository import scrub_repository as scrub_repository
    from strongroom.ops.seal import seal_bytes as seal_bytes
    from strongroom.ops.seal import seal_file as seal_file
    from strongroom.ops.seal import seal_into as seal_into
    from strongroom.ops.seal import sealed_length as sealed_length
    from strongroom.ops.sealer import Sealer as Sealer
    from strongroom.ops.stats import Stats as Stats
    from strongroom.ops.tree import Selection as Selection
    from strongroom.ops.verify import Finding as Finding
    from strongroom.ops.verify import VerifyResult as VerifyResult
    from strongroom.repository.freshness import Freshness as Freshness
    from strongroom.repository.pins import Head as Head
    from strongroom.repository.snapshots import Snapshot as Snapshot

_HOME = {
    "BackupResult": "ops.backup",
    "Cancel": "_core",
    "CancelledError": "errors",
    "ConflictError": "errors",
    "Counts": "ops.counts",
    "Credential": "keys.envelope",
    "DamagedError": "errors",
    "Entry": "manifest.entry",
    "Finding": "ops.verify",
    "Freshness": "repository.freshness",
    "Head": "repository.pins",
    "IncompleteError": "errors",
    "InvalidKeyError": "errors",
    "KdfParameters": "keys.password",
    "Labels": "ops.backup",
    "LimitError": "errors",
    "NoRepositoryError": "errors",
    "ObjectExistsError": "errors",
    "ObjectMissingError": "errors",
    "Opener": "ops.opener",
    "Overwrite": "ops.overwrite",
    "Password": "keys.password",
    "Policy": "ops.retention",
    "Progress": "_core",
    "Proof": "ops.prove",
    "PruneOptions": "ops.prune",
    "Repository": "ops.repository",
    "RepositoryInfo": "ops.describe",
    "RepositoryScrub": "ops.scrub_repository",
    "RestoreCounts": "ops.restore_options",
    "RestoreOptions": "ops.restore_options",
    "Result": "_core",
    "RolledBackError": "errors",
    "RootKey": "keys.rootkey",
    "SavedSnapshot": "ops.saved",
    "ScrubResult": "ops.scrub",
    "SealedInfo": "ops.inspect",
    "Sealer": "ops.sealer",
    "Selection": "ops.tree",
    "Snapshot": "repository.snapshots",
    "SnapshotFile": "ops.chunked",
    "SourceError": "errors",
    "Stats": "ops.stats",
    "StrongroomError": "errors",
    "TagChange": "ops.forget",
    "TargetError": "errors",
    "TargetExistsError": "errors",
    "UnsupportedError": "errors",
    "UsageError": "errors",
    "VerifyResult": "ops.verify",
    "WrongKeyError": "errors",
    "describe_repository": "ops.describe",
    "inspect_file": "ops.inspect",
    "open_bytes": "ops.open",
    "open_file": "ops.open",
    "open_into": "ops.open",
    "prove": "ops.prove",
    "scrub": "ops.scrub",
    "scrub_repository": "ops.scrub_repository",
    "seal_bytes": "ops.seal",
    "seal_file": "ops.seal",
    "seal_into": "ops.seal",
    "sealed_length": "ops.seal",
    "verify_proof": "ops.prove",
}

__all__ = sorted(_HOME)  # noqa: PLE0605  # one list of names, not two
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
