"""The one type of a stream whose kernel does not say it, once all its rows are there.

Each segment says what is known of its values. If all of them have one type, segments
that were written otherwise are written again; if not, all of them are pickles.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from beam_scanner.errors import StorageError
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.parquet_files import open_parquet
from beam_scanner.storage.segments.inferred_writer import (
    FOUND,
    PICKLED,
    codec_or_none,
    inferred_name,
    pickled_rows,
    write_typed,
)
from beam_scanner.storage.stored_rows import Record
from beam_scanner.storage.stream_names import generation_key
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.types.codecs.structured import StructuredCodec
from beam_scanner.types.inferred_types import Found, NoTypeError, codec_of, joined

WHY = "pickled_because"
"""In the first record of a stream of pickles: what its values are."""


def settled(
    store: ObjectStore, name: str, generation: str, records: Sequence[Record]
) -> list[Record]:
    """The segments of a stream, all of one type.

    Args:
        store: The database's store.
        name: The stream's name.
        generation: Of the segments.
        records: As their writers have returned them, in any order.
    """
    ordered = sorted(records, key=lambda record: (record["first"], record["rows"]))
    known = [record[FOUND] for record in ordered if FOUND in record]
    # Segments of kernels that do say it, or in which no pickle may be read.
    if len(known) != len(ordered) or not known:
        return [_pickled(record) for record in ordered]
    found = joined(known)
    codec = codec_or_none(found)
    if codec is not None:
        made = [_typed(store, name, generation, each, codec) for each in ordered]
        fit = [record for record in made if record is not None]
        if len(fit) == len(made):
            return fit
    kept = [_pickled(record) for record in ordered]
    if found:
        # A segment without rows is left out of the stream.
        first = next((i for i, each in enumerate(kept) if each["rows"]), 0)
        kept[first] = {**kept[first], WHY: _why(found)}
    return kept


def settled_once(
    stream: Any,
    current: Callable[[], StreamDescriptor | None],
    store: ObjectStore,
    generation: str,
    records: Sequence[Record],
) -> Sequence[Record]:
    """The segments in the type that all of them have, whichever worker comes first.

    Args:
        stream: A ``NamedStream``. If its storage is not trusted, no pickle is read.
        current: Gives its descriptor as it is stored.
        store: Its database's store.
        generation: Of the segments.
        records: As their writers have returned them.
    """
    if not stream.storage().trusted:
        return [_pickled(record) for record in records]
    there = _segments_there(stream, current(), generation)
    if there is not None:
        return there
    try:
        return settled(store, stream.name(), generation, records)
    except StorageError:
        # Another worker may have published meanwhile, and tidied up what was read.
        there = _segments_there(stream, current(), generation)
        if there is None:
            raise
        return there


def _segments_there(
    stream: Any, current: StreamDescriptor | None, generation: str
) -> Sequence[Record] | None:
    """Those of a stream as it is stored, if it is whole and of a generation."""
    if current is None or current.generation != generation:
        return None
    return current.segments if stream.is_whole(current) else None


def pickled_why(found: StreamDescriptor) -> str:
    """What the values of a stream are that had to be pickled; '' for other streams."""
    return str(found.segments[0].get(WHY, "")) if found.segments else ""


def pickled_text(op: str, names: Sequence[str], why: str) -> str:
    """What to tell the user of such streams.

    Examples:
        >>> print(pickled_text('Score', ['a', 'b'], 'float, int'))
        values of op Score cannot be stored as one type (float, int): stream 'a' and 1 other hold \
them as pickles, which pandas and DuckDB cannot read; annotate what the kernel returns, \
as in `-> float`, in place of Any
    """
    more = f" and {len(names) - 1} other{'s' * (len(names) > 2)}" * (len(names) > 1)
    kinds = set(why.split(", "))
    hint = "a dataclass, a NamedTuple, or another type of docs/types.md"
    hint = "as in `-> float`" if kinds == {"float", "int"} else f"with {hint}"
    what = "what the kernel returns, " if op else "its type, "
    return (
        f"values of {f'op {op}' if op else 'the elements'} cannot be stored as one type ({why}): "
        f"stream {names[0]!r}{more} hold{'s' * (len(names) == 1)} them as pickles, "
        f"which pandas and DuckDB cannot read; annotate {what}{hint}, in place of Any"
    )


def _why(found: Found) -> str:
    try:
        codec_of(found)
    except NoTypeError as error:
        return str(error)
    return "values that cannot be stored exactly"


def _pickled(record: Record) -> Record:
    found = dict(record.get(PICKLED, record))
    found.pop(FOUND, None)
    return found


def _typed(
    store: ObjectStore,
    name: str,
    generation: str,
    record: Record,
    codec: StructuredCodec,
) -> Record | None:
    """A segment as columns of a type; None if a value does not fit."""
    if record["type"] == inferred_name(codec):
        return {key: record[key] for key in record if key not in (FOUND, PICKLED)}
    pickled = _pickled(record)
    files = SegmentFiles(store, name, generation, pickled)
    (file,) = pickled["files"]
    # Others may be doing the same: the file of each has its own name.
    stem = f"{PurePosixPath(file).stem}-{uuid.uuid4().hex[:12]}"
    with open_parquet(files.open(file)) as opened:
        rows = pickled_rows(opened)
        folder = generation_key(name, generation)
        made = write_typed(store, folder, stem, codec, rows)
    return None if made is None else {**pickled, **made}
