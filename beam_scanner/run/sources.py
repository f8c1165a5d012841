"""Makes input streams where they are found."""

from __future__ import annotations

import hashlib

from beam_scanner.errors import ElementTypeError, StreamNotFoundError
from beam_scanner.run.stream_slots import SourceSlot
from beam_scanner.storage.stream_names import WORK
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream, list_streams
from beam_scanner.storage.streams.named_video import NamedVideoStorage, NamedVideoStream
from beam_scanner.stores.patterns import matching_names
from beam_scanner.types.element_types import ColumnType

SOURCES = f"{WORK}sources"
"""Below a database: the indexes of videos that pipelines read where they lie."""


class SourceVideo(NamedVideoStream):
    """A video that a pipeline reads where it lies.

    Its index is kept under a name made from its path, so that pipelines that call
    it differently share it, and no sink can be in its way.

    Args:
        db: URL of the database.
        name: What the pipeline calls it.
        path: The file.
    """

    def __init__(self, db: str, name: str, path: str) -> None:
        key = hashlib.sha256(path.encode(errors="surrogatepass")).hexdigest()[:32]
        super().__init__(NamedVideoStorage(f"{db}/{SOURCES}"), key, path=path)
        self._shown = name

    def name(self) -> str:
        """What the pipeline calls it."""
        return self._shown


def video_at(db: str, name: str, where: str) -> StoredStream:
    """A video file."""
    return SourceVideo(db, name, where)


def stream_at(
    source: str, video: bool, trusted: bool, db: str, name: str, where: str
) -> StoredStream:
    """The stream ``where`` of the database ``source``."""
    kind = NamedVideoStream if video else NamedStream
    return kind(NamedStorage(source, trusted), where)


def stream_names(source: str, pattern: str) -> list[str]:
    """Names of the committed streams that match a pattern, sorted."""
    names = [stream.name for stream in list_streams(NamedStorage(source))]
    return matching_names(pattern, names)


def check_input(slot: SourceSlot, stream: StoredStream) -> None:
    """Indexes an input that is a video, and refuses one that cannot be read.

    A video that was indexed before and has changed since is indexed again.

    Raises:
        ScannerException: It cannot be read, or holds elements of another type.
    """
    if isinstance(stream, NamedVideoStream) and stream.path is not None:
        stream.ingest(force=True)
        return
    check_committed(stream)
    _check_slot_type(slot, stream)


def check_committed(stream: StoredStream) -> None:
    """Refuses an input that is not there, or not all of it.

    Raises:
        StreamNotFoundError: Names the stream, and files of it that are missing.
    """
    if stream.committed():
        return
    missing = ""
    if isinstance(stream, NamedStream) and (found := stream.try_descriptor()):
        files = stream.missing_files(found)[:3]
        missing = f": of its files {files} are gone or cut off"
    raise StreamNotFoundError(
        f"input stream {stream.name()!r} does not exist or was never committed{missing}"
    )


def _check_slot_type(slot: SourceSlot, stream: StoredStream) -> None:
    frames = stream.column_type() is ColumnType.Video
    # By name: a worker need not know the type.
    found = stream.try_descriptor() if isinstance(stream, NamedStream) else None
    name = found.element_type if found is not None else ""
    if frames == (slot.kind is None):
        if slot.kind is None or slot.kind.type is bytes or not name:
            return
        if name == slot.kind.name:
            return
    holds = "frames" if frames else name or "Bytes"
    wanted = "frames" if slot.kind is None else slot.kind.name
    raise ElementTypeError(
        f"stream {stream.name()!r} holds {holds}, but {slot.label} reads {wanted}; "
        "give it type=..."
    )
