"""A writer of whole repositories that can lie, as somebody who holds the keys.

As in forge.py, each edit of a plan gets the honest value and returns what is stored instead; all
digests, MACs, roots and signatures that come after it are made to fit.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import data_reference as data
from . import forge, tree_reference, whole_reference
from . import header_reference as ref
from . import manifest_reference as manifest
from . import reference as reading
from . import repository_reference as repository
from .forge import Edit, Record, Stream, honest
from .header_reference import CHUNK, DATA_SEGMENT, FOOTER, HEAD, MANIFEST, PAGE, PLAIN, TAG
from .manifest_reference import Entry

ROOT_KEY, REPO_ID, SK, SESSION = bytes(range(32)), b"r" * 32, b"s" * 32, b"session of 16 by"
DATA_ID, MANIFEST_ID = b"\xda" * 16, b"\x3a" * 16


@dataclass
class Lies:
    """What is not to be honest. The edits of segments and entries apply in this order."""

    config: Edit[bytes] = honest  # all but check and digest
    data_plan: dict[str, Any] = field(default_factory=dict)  # fields of forge.Plan
    records: Edit[list[Record]] = honest
    layout: Edit[tuple[int, int]] = honest  # n and last_len
    directory: Edit[bytes] = honest  # without its head
    footer: Edit[forge.Footer] = honest
    digests: Edit[bytes] = honest
    trailer: Edit[forge.Trailer] = honest
    data_segment: Edit[bytes] = honest
    tree: Edit[list[Entry]] = honest
    items: Edit[list[bytes]] = honest  # of the manifest, each with its head
    manifest: Edit[bytes] = honest  # what it holds
    manifest_plan: dict[str, Any] = field(default_factory=dict)
    segments: Edit[list[tuple[bytes, bytes, int, int, bytes]]] = honest
    private: Edit[dict[str, Any]] = honest
    cbor: Edit[bytes] = honest
    public: Edit[bytes] = honest
    objects: Edit[dict[str, bytes]] = honest


def lie(**lies: Any) -> dict[str, bytes]:
    return make(Lies(**lies))


def make(lies: Lies) -> dict[str, bytes]:
    """The objects of a repository of one snapshot: a folder, two files, a link."""
    config = config_of(lies.config)
    chunks = [b"z" * 5000 + bytes(range(256)), bytes(range(256)) * 10, b"end"]
    stored = lies.data_segment(data_segment(chunks, lies))
    ids = [data.chunk_id(key(b"chunk-id"), chunk) for chunk in chunks]
    entries = lies.tree(tree(ids, [len(chunk) for chunk in chunks]))
    plain = lies.manifest(head_of_manifest() + b"".join(lies.items(items_of(entries))))
    sealed = Stream(plan(MANIFEST, plain, **lies.manifest_plan)).assemble()
    files = [entry for entry in entries if entry.type == manifest.FILE]
    counts = (len(entries), len(files), sum(entry.size for entry in files))
    segments = [
        (DATA_ID, whole_reference.root_of(stored, DATA_SEGMENT), len(stored), 2, bytes(7)),
        (MANIFEST_ID, whole_reference.root_of(sealed, MANIFEST), len(sealed), 3, bytes(7)),
    ]
    entry = log_entry(config, segments, counts, lies)
    return lies.objects(
        {
            "config": config,
            f"segments/{DATA_ID.hex()[:2]}/{DATA_ID.hex()}": stored,
            f"segments/{MANIFEST_ID.hex()[:2]}/{MANIFEST_ID.hex()}": sealed,
            "log/0000000000000001": entry,
        }
    )


def key(name: bytes) -> bytes:
    return repository.subkey(ROOT_KEY, REPO_ID, name)


def config_of(edit: Edit[bytes]) -> bytes:
    magic = bytes.fromhex("895352430D0A1A0A")
    public = repository.public_of(ROOT_KEY, REPO_ID)
    body = edit(magic + struct.pack(">H H I", 1, 1, 0) + REPO_ID + public)
    body += ref.mac(key(b"check"), body)
    return body + ref.sha256(body)


def plan(kind: int, content: bytes, **more: Any) -> forge.Plan:
    prefix = forge.PREFIX[:12] + bytes([kind]) + forge.PREFIX[13:]
    ids = {"sk": SK, "repo_id": REPO_ID, "session_id": SESSION, "prefix": prefix}
    return forge.Plan(content, **{"root_key": ROOT_KEY, **ids, **more})


def data_segment(chunks: Sequence[bytes], lies: Lies) -> bytes:
    stream = Stream(plan(DATA_SEGMENT, b"", **lies.data_plan))
    honest_records = [data_record(chunk) for chunk in chunks]
    records = lies.records([*honest_records, Record(type=ref.END)])
    plain, offsets = forge.lay_out(records)
    held = [(at, r) for at, r in zip(offsets, records, strict=True) if r.type == ref.DATA]
    entries = [
        data.ENTRY.pack(at, len(r.data), r.raw_len, r.codec, bytes(3), r.id) for at, r in held
    ]
    body = lies.directory(b"".join(entries))
    n, last_len = lies.layout(data.lengths(offsets[-1], len(held)))
    directory_at = (n - 1) * PLAIN + last_len - TAG - FOOTER - HEAD - len(body)
    footer = forge.Footer(
        offsets[-1], directory_at, len(body), len(held), sum(r.raw_len for _, r in held)
    )
    plain = plain.ljust(directory_at, b"\0") + reading.make_directory(body)
    frames = stream.frames(plain + lies.footer(footer).pack())
    digests = lies.digests(b"".join(blake3(frame).digest() for frame in frames))
    root, total = tree_reference.root_of(stream.header, frames), PAGE + sum(map(len, frames))
    trailer = forge.Trailer(stream.header, root, len(frames), len(frames[-1]), total)
    return stream.header + b"".join(frames) + digests + lies.trailer(trailer).pack()


def data_record(chunk: bytes) -> Record:
    packed = forge.compress(chunk)
    short = len(packed) < len(chunk)
    record_id = data.chunk_id(key(b"chunk-id"), chunk)
    stored = packed if short else chunk
    return Record(codec=int(short), data=stored, raw_len=len(chunk), id=record_id)


def tree(ids: Sequence[bytes], sizes: Sequence[int]) -> list[Entry]:
    plain = Entry(manifest.FILE, 0, 0o644, 0, 0, 1, 2, 3, 4, 1, 0, 0, b"u", b"g", b"", b"", {})
    folder = replace(plain, type=manifest.FOLDER, path=b"top", mode=0o755)
    one = replace(plain, path=b"top/a", size=sizes[0], chunks=[ids[0]])
    two = replace(plain, path=b"top/b", size=sizes[1], chunks=[ids[1]])
    three = replace(plain, path=b"top/c", size=sizes[2], chunks=[ids[2]], attributes={b"n": b"v"})
    link = replace(plain, type=manifest.LINK, path=b"top/d", target=b"a")
    return [folder, one, two, three, link]


def head_of_manifest() -> bytes:
    return b"srm-tree" + struct.pack(">H", 1) + bytes(6)


def item(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def pack_entry(entry: Entry) -> bytes:
    attributes = b"".join(
        manifest.ATTRIBUTE.pack(len(name), len(value)) + name + value
        for name, value in entry.attributes.items()
    )
    parts = (entry.user, entry.group, entry.path, entry.target, attributes)
    return manifest.FIELDS.pack(
        *(entry.type, entry.flags, 0, entry.mode, entry.uid, entry.gid),
        *(entry.mtime, entry.ctime, entry.ino, entry.dev, entry.nlink),
        *(entry.size, entry.rdev),
        *map(len, parts),
    ) + b"".join(parts)


def items_of(entries: Sequence[Entry]) -> list[bytes]:
    made = []
    for entry in entries:
        made.append(item(manifest.ENTRY, pack_entry(entry)))
        for at in range(0, len(entry.chunks), manifest.MOST_IDS):
            ids = entry.chunks[at : at + manifest.MOST_IDS]
            made.append(item(manifest.IDS, b"".join(ids)))
    files = [entry.size for entry in entries if entry.type == manifest.FILE]
    totals = (len(entries), len(files), sum(files) % 2**64)
    return [*made, item(manifest.END, struct.pack(">Q Q Q", *totals))]


def log_entry(
    config: bytes,
    segments: list[tuple[bytes, bytes, int, int, bytes]],
    counts: tuple[int, int, int],
    lies: Lies,
) -> bytes:
    snapshot = {
        "id": segments[1][0],
        "root": segments[1][1],
        "time": 1,
        "host": "h",
        "user": "u",
        "tags": [],
        "paths": [b"top"],
        "new_bytes": 0,
        "errors": 0,
        **dict(zip(("entries", "files", "bytes"), counts, strict=True)),
    }
    segments = lies.segments(segments)
    private = {"time": 1, "writer": "w", "session": SESSION, "snapshot": snapshot}
    plain = lies.cbor(cbor2.dumps(lies.private(private), canonical=True))
    magic, sealed_len = bytes.fromhex("8953524C0D0A1A0A"), 80 + len(plain)
    ids = (REPO_ID, ref.sha256(config))
    head = (magic, 1, 1, 0, sealed_len, 1, 0, *ids, len(segments), 0, 0, 0, 0, 0)
    rows = b"".join(repository.SEGMENT.pack(*segment) for segment in segments)
    public = lies.public(repository.ENTRY.pack(*head) + rows)
    esalt = b"e" * 32
    info = b"strongroom/1 entry\0" + struct.pack(">Q", 1) + esalt
    okm = ref.hkdf_expand(key(b"log"), info, 64)
    sealed = esalt + okm[32:] + AESGCM(okm[:32]).encrypt(ref.NO_NONCE, plain, public)
    mac_key = ref.hkdf_expand(key(b"log"), b"strongroom/1 entry mac\0", 32)
    signed = public + sealed + ref.mac(mac_key, public + sealed)
    return signed + Ed25519PrivateKey.from_private_bytes(key(b"sign")).sign(signed)


def big_file() -> tuple[list[bytes], int]:
    """Chunk ids and size of a file whose ids need two items."""
    count = manifest.MOST_IDS + 1
    return [bytes([1]) * 32] * count, count * CHUNK
