"""Frame indexes of ingested videos, kept in memory by each process."""

from __future__ import annotations

import threading
from collections import OrderedDict

from beam_scanner.errors import StorageError, VideoError
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.stream_names import INDEX, generation_key
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.video.index import FrameIndex

_indexes: OrderedDict[tuple[str, str], FrameIndex] = OrderedDict()
_indexes_lock = threading.Lock()
_INDEXED_ROWS = 4_000_000
"""Rows of all indexes that a process keeps: at 8 bytes, 32 MB."""


def ingested_files(store: ObjectStore, descriptor: StreamDescriptor) -> SegmentFiles:
    """The files that a database keeps of an ingested video."""
    if len(descriptor.segments) > 1:
        raise StorageError(f"descriptor of stream {descriptor.name!r} is damaged")
    record = descriptor.segments[0] if descriptor.segments else {}
    return SegmentFiles(store, descriptor.name, descriptor.generation, record)


def stored_index(store: ObjectStore, descriptor: StreamDescriptor) -> FrameIndex:
    """The index of an ingested stream; each process reads it once, not each task.

    Raises:
        StorageError: It cannot be read.
    """
    folder = generation_key(descriptor.name, descriptor.generation)
    # A generation is named after what its index holds.
    key = store.url, folder
    with _indexes_lock:
        if key in _indexes:
            _indexes.move_to_end(key)
            return _indexes[key]
    files = ingested_files(store, descriptor)
    data = files.read(INDEX)
    try:
        index = FrameIndex.from_bytes(data)
    except VideoError as error:
        raise StorageError(f"{files.name(INDEX)}: {error}") from error
    if len(index) != descriptor.rows:
        raise StorageError(
            f"{files.name(INDEX)} is damaged: it has {len(index)} rows in place of "
            f"{descriptor.rows}"
        )
    with _indexes_lock:
        _indexes[key] = index
        while len(_indexes) > 1 and sum(map(len, _indexes.values())) > _INDEXED_ROWS:
            _indexes.popitem(last=False)
    return index
