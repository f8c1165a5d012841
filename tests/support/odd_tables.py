"""Tables of MP4 and chunks of AVI files, written by hand where FFmpeg writes no such."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import av

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


@dataclass
class Sample:
    """A sample of an MP4: its bytes, times in ticks, and which description it has."""

    data: bytes
    dts: int
    pts: int
    key: bool
    description: int = 1


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def descriptions(data: bytes) -> list[bytes]:
    """The sample descriptions of the only track of an MP4."""
    for kind in (*_PARENTS, b"stsd"):
        data = next(content for found, content in _boxes(data) if found == kind)
    return [_box(kind, content) for kind, content in _boxes(data[8:])]


def samples(data: bytes, description: int = 1, after: int = 0) -> list[Sample]:
    """The samples of an MP4; ``after`` is added to their times."""
    with av.open(io.BytesIO(data)) as container:
        packets = [p for p in container.demux(video=0) if p.size]  # type: ignore[union-attr]
    first = min(p.dts for p in packets)
    return [
        Sample(
            *(bytes(p), p.dts - first + after, p.pts - first + after),
            *(p.is_keyframe, description),
        )
        for p in packets
    ]


def mp4_of(data: bytes, parts: list[Sample], entries: list[bytes]) -> bytes:
    """An MP4 as ``data`` is, with other samples and sample descriptions.

    Each sample is a chunk of its own. There is no edit list.
    """
    head = b"".join(_box(k, c) for k, c in _boxes(data) if k == b"ftyp")
    start, places = len(head) + 8, []
    for part in parts:
        places.append(start)
        start += len(part.data)
    head += _box(b"mdat", *(part.data for part in parts))
    steps = [b.dts - a.dts for a, b in pairwise(parts)]
    steps.append(steps[-1] if steps else 1)
    runs = [(len([*run]), step) for step, run in groupby(steps)]
    kinds = [p.description for p in parts]
    changes = [i for i in range(len(kinds)) if i == 0 or kinds[i] != kinds[i - 1]]
    keys = [i + 1 for i, part in enumerate(parts) if part.key]
    tables = [
        _table(b"stsd", len(entries), *entries),
        _table(b"stts", len(runs), *(struct.pack(">2I", *run) for run in runs)),
        _table(b"ctts", len(parts), *(struct.pack(">Ii", 1, p.pts - p.dts) for p in parts)),
        _table(b"stss", len(keys), struct.pack(f">{len(keys)}I", *keys)),
        _table(b"stsc", len(changes), *(struct.pack(">3I", i + 1, 1, kinds[i]) for i in changes)),
        _box(b"stsz", bytes(8), struct.pack(">I", len(parts)), struct.pack(f">{len(parts)}I", *(len(p.data) for p in parts))),
        _table(b"stco", len(places), struct.pack(f">{len(places)}I", *places)),
    ]  # fmt: skip
    moov = next(content for kind, content in _boxes(data) if kind == b"moov")
    return head + _box(b"moov", _with_tables(moov, b"".join(tables), sum(steps)))


def _table(kind: bytes, count: int, *rows: bytes) -> bytes:
    return _box(kind, bytes(4), struct.pack(">I", count), *rows)


def _with_tables(data: bytes, tables: bytes, ticks: int) -> bytes:
    """The content of a box that holds others, with new tables deep in it."""
    found = []
    for kind, content in _boxes(data):
        if kind == b"edts":
            continue
        if kind == b"stbl":
            content = tables
        elif kind in _PARENTS:
            content = _with_tables(content, tables, ticks)
        elif kind == b"mdhd":
            content = content[:16] + struct.pack(">I", ticks) + content[20:]
        found.append(_box(kind, content))
    return b"".join(found)


def with_empty_samples(data: bytes, rng: random.Random) -> bytes:
    """Samples of no bytes among the others."""
    parts: list[Sample] = []
    for part in samples(data):
        parts.append(part)
        if rng.random() < 0.2:
            parts.append(
                replace(part, data=b"", dts=part.dts + 1, pts=part.pts + 1, key=False)
            )
    return mp4_of(data, parts, descriptions(data))


def with_descriptions(data: bytes, others: bytes, rng: random.Random) -> bytes:
    """The samples of two files, each with a description of its own; perhaps in turn."""
    first = samples(data)
    step = max(first[-1].dts - first[-2].dts, 1) if len(first) > 1 else 1
    parts = [*first, *samples(others, 2, first[-1].dts + step)]
    if rng.random() < 0.5:
        parts += samples(data, 1, parts[-1].dts + step)
    return mp4_of(data, parts, [*descriptions(data), *descriptions(others)])


def with_palettes(data: bytes, rng: random.Random) -> bytes:
    """An AVI whose colour table changes in it."""
    at = data.find(b"movi") + 4
    size = struct.unpack("<I", data[at - 8 : at - 4])[0] - 4
    chunks, index, end = [], [], at + size
    place = 4
    while at + 8 <= end:
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        whole = data[at : at + 8 + length + length % 2]
        if kind[2:] in (b"db", b"dc") and rng.random() < 0.2:
            colours = bytes(rng.randrange(256) for _ in range(4 * 256))
            change = struct.pack("<4sI", kind[:2] + b"pc", 4 + len(colours))
            change += struct.pack("<BBH", 0, 0, 0) + colours
            chunks.append(change)
            index.append(
                struct.pack("<4sIII", kind[:2] + b"pc", 0x100, place, len(change) - 8)
            )
            place += len(change)
        if kind[2:] in (b"db", b"dc"):
            index.append(struct.pack("<4sIII", kind, 0x10, place, length))
        chunks.append(whole)
        place += len(whole)
        at += len(whole)
    body = b"movi" + b"".join(chunks)
    start = data.find(b"movi") - 8
    made = data[:start] + struct.pack("<4sI", b"LIST", len(body)) + body
    if rng.random() < 0.7:
        table = b"".join(index)
        made += struct.pack("<4sI", b"idx1", len(table)) + table
    return made[:4] + struct.pack("<I", len(made) - 8) + made[8:]
