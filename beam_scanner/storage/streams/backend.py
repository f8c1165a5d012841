"""Streams and storage backends, as users extend them.

A stream of one's own is a ``StoredStream`` with, to be an input, ``load_bytes``
and ``len``; to be an output, ``write`` and ``commit``. Its storage is a
``StorageBackend``, of which nothing must be overridden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import (
    ElementTypeError,
    ScannerException,
    StreamNotFoundError,
)
from beam_scanner.rows.gops import load_rows
from beam_scanner.rows.row_numbers import row_numbers
from beam_scanner.storage.commit import tiled
from beam_scanner.storage.stored_rows import (
    Publication,
    Record,
    RowReader,
    SegmentTask,
    SegmentWriter,
)
from beam_scanner.storage.trust import check_no_pickle
from beam_scanner.text.cards import never_raises
from beam_scanner.types.element_types import ColumnType, FrameType, NullElement
from beam_scanner.types.type_info import (
    ScannerTypeInfo,
    get_type_info,
    registered,
)


class StoredStream:
    """A stored sequence of elements, which can be an input or an output of a graph.

    Objects are small, picklable and hold no client: workers get copies of them. If a
    class has a ``fingerprint()``, which must change with the content, runs use it to
    see whether stored results are still those of this input; without one, they go by
    its name and length, and warn.

    Examples:
        >>> class Words(StoredStream):
        ...     def __init__(self, text):
        ...         self.text = text
        ...     def name(self): return self.text
        ...     def storage(self): return StorageBackend()
        ...     def exists(self): return True
        ...     def committed(self): return True
        ...     def len(self): return len(self.text.split())
        ...     def load_bytes(self, rows=None):
        ...         words = self.text.encode().split()
        ...         yield from words if rows is None else (words[r] for r in rows)
        >>> list(Words('to be or not').load(rows=[3, 0]))
        [b'not', b'to']
    """

    def name(self) -> str:
        """The stream's name, unique in its storage."""
        raise self._lacks("name")

    def storage(self) -> StorageBackend:
        """Where the stream is stored."""
        raise self._lacks("storage")

    def identity(self) -> Sequence[Any]:
        """What tells this stream, as an output, from all others; no secrets.

        Unfinished work for it is found again under this: by default the object itself
        and its storage.
        """
        return [self, self.storage()]

    def places(self) -> Sequence[str]:
        """Paths and URLs that workers read or write for it; none unless overridden.

        Runners whose workers cannot get there refuse the run.
        """
        return ()

    def exists(self) -> bool:
        """Whether there is anything under this name."""
        raise self._lacks("exists")

    def committed(self) -> bool:
        """Whether the stream is complete and can be read."""
        raise self._lacks("committed")

    def len(self) -> int:
        """The number of rows; by default, counts what ``load_bytes`` yields."""
        return sum(1 for _ in self.load_bytes())

    def type(self) -> Any:
        """The element type: an annotation or ``ScannerTypeInfo``; None: bytes."""
        return None

    def load_bytes(self, rows: Sequence[int] | None = None) -> Iterator[Any]:
        """Yields serialized elements (bytes), frames (arrays) or ``NullElement``.

        Args:
            rows: Which rows, ascending; all for None.
        """
        raise ScannerException(
            f"Stream `{type(self).__name__}` cannot load elements into Python."
        )

    def estimate_size(self) -> int:
        """About how many bytes an element takes in memory; 0 if unknown."""
        return 0

    def delete(self, sc: Any = None) -> None:
        """Removes the stream.

        Args:
            sc: Ignored; Scanner's programs pass their client.
        """
        raise self._lacks("delete")

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """Hook: stores consecutive rows of this stream, for streams of your own.

        It is called in worker processes, for different rows at the same time, and
        again with rows that a failed task had already written: writing a row twice
        must leave what writing it once leaves.

        Args:
            first_row: Number of the first row.
            elements: Serialized elements (bytes), frames or ``NullElement``.
            seconds: float64 of presentation times, nan where unknown.
        """
        raise ScannerException(
            f"Stream `{type(self).__name__}` cannot store elements: it has no "
            "write(first_row, elements, seconds)."
        )

    def commit(self, rows: int) -> None:
        """Hook: all ``rows`` rows are written; make ``committed`` True."""
        return

    def load(
        self,
        ty: Any = None,
        fn: Callable[[Any], Any] | None = None,
        rows: Iterable[int] | None = None,
    ) -> Iterator[Any]:
        """Yields values in order, lazily.

        Args:
            ty: Type to deserialize with, instead of the stored one.
            fn: Called with each element's bytes (or frame) instead.
            rows: Row numbers in any order, also more than once; all for None.

        Raises:
            StreamNotFoundError: At the first ``next()``: not committed.
            RowError: A row lies outside the stream.
            UntrustedDataError: Values of an untrusted database would be unpickled.
        """
        if not self.committed():
            raise StreamNotFoundError(
                f"Tried to load from uncommitted stream {self.name()!r}"
            )
        with self.reader() as reader:
            numbers = row_numbers(rows, len(reader), self.name())
            kind = ty if ty is not None else self.type()
            convert = converter(kind, fn)
            if fn is None:
                self.check_trust(kind)
            size = self.estimate_size()
            for element in load_rows(
                lambda wanted: reader.read(wanted.tolist()), numbers, size
            ):
                yield convert(element)

    def check_trust(self, ty: Any) -> None:
        """Refuses to unpickle elements of a storage that is not trusted.

        Args:
            ty: What they would be read as: an annotation or ``ScannerTypeInfo``.

        Raises:
            UntrustedDataError: Names the stream and the type.
        """
        if ty is None or isinstance(ty, ColumnType) or self.storage().trusted:
            return
        own = hasattr(ty, "deserialize") and registered(ty) is None
        check_no_pickle(ty if own else get_type_info(ty), self.name())

    @never_raises
    def _repr_html_(self) -> str:
        # Loaded when a notebook shows a stream.
        from beam_scanner.storage.streams.views import stream_card

        return stream_card(self, element_type(self))

    def show(
        self, rows: Iterable[int] | None = None, on: StoredStream | None = None
    ) -> Any:
        """Frames as a strip, numbers as a plot, and what was found drawn into frames.

        Args:
            rows: At most 24; None for some from all over the stream.
            on: The stream of frames that the values were made of: boxes, key points,
                texts, masks and flow are drawn over its frames, and a plot has them
                below. It has the same rows, or else times that tell which frame it was.

        Returns:
            A ``View``, which notebooks show.

        Raises:
            ArgumentError: Too many rows, or ``on`` holds no frames.
            RowError: A row lies outside the stream.
        """
        from beam_scanner.storage.streams.views import show

        return show(self, element_type(self), rows, on)

    def column_type(self) -> ColumnType:
        """Whether elements are frames or blobs."""
        info = element_type(self)
        video = info is not None and info.type is FrameType
        return ColumnType.Video if video else ColumnType.Blob

    def readable(self) -> bool:
        """Whether the stream can be an input."""
        own = type(self)
        return (
            own.load_bytes is not StoredStream.load_bytes
            or own.reader is not StoredStream.reader
        )

    def writable(self) -> bool:
        """Whether the stream can be an output."""
        own = type(self)
        return (
            own.write is not StoredStream.write
            or own.segment_writer is not StoredStream.segment_writer
        )

    def reader(self) -> RowReader:
        """Opens the stream for reading by row number."""
        return LoadBytesReader(self)

    def segment_writer(self, segment: SegmentTask) -> SegmentWriter:
        """A writer for the rows of one task."""
        if not self.writable():
            self.write(segment.first_row, [], np.empty(0))
        return WriteHookWriter(self, segment)

    def publish(self, publication: Publication) -> object:
        """Makes the stream visible, atomically; doing it again changes nothing.

        Returns:
            Whatever the class knows of the result; callers of streams of any class
            ignore it.

        Raises:
            StorageError: Rows or files are missing.
        """
        ordered = tiled(self.name(), publication.segments)
        self.commit(sum(int(record["rows"]) for record in ordered))
        return None

    def _lacks(self, method: str) -> ScannerException:
        return ScannerException(f"Stream `{type(self).__name__}` has no {method}().")


class StorageBackend:
    """Where streams are stored.

    ``source`` and ``sink`` are asked once for all streams of an input or output,
    before anything runs; overriding them serves to refuse.

    Attributes:
        trusted: False: nothing that is stored is ever unpickled.
    """

    trusted: bool = True

    def source(self, sc: Any, streams: Sequence[StoredStream]) -> Any:
        """Refuses streams that cannot be an input.

        Raises:
            ScannerException: One cannot be read.
        """
        if not all(stream.readable() for stream in streams):
            raise self._cannot("serve as a Scanner input")

    def sink(self, sc: Any, op: Any, streams: Sequence[StoredStream]) -> Any:
        """Refuses streams that cannot be an output.

        Raises:
            ScannerException: One cannot be written.
        """
        if not all(stream.writable() for stream in streams):
            raise self._cannot("serve as a Scanner output")

    def delete(self, sc: Any, streams: Sequence[StoredStream]) -> None:
        """Removes streams.

        Raises:
            ScannerException: This backend cannot.
        """
        raise self._cannot("delete elements")

    def _cannot(self, action: str) -> ScannerException:
        name = type(self).__name__
        return ScannerException(f"StorageBackend class `{name}` cannot {action}.")


def element_type(stream: StoredStream) -> ScannerTypeInfo | None:
    """The element type that a stream says it has; None: unknown, bytes.

    Raises:
        ElementTypeError: The type is not registered.
    """
    declared = stream.type()
    if declared is None or declared is ColumnType.Blob:
        return None
    return get_type_info(FrameType if declared is ColumnType.Video else declared)


def converter(ty: Any, fn: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """What ``load`` does to each element: ``fn``, else the type's ``deserialize``.

    Args:
        ty: Annotation, ``ScannerTypeInfo``, or anything with ``deserialize``.
        fn: Called with bytes or frames; never with ``NullElement``.

    Returns:
        The function; it raises ``ElementTypeError`` for bytes that are not a ``ty``.
    """
    if fn is not None:
        return lambda element: (
            element if isinstance(element, NullElement) else fn(element)
        )
    if ty is None or isinstance(ty, ColumnType):
        return lambda element: element
    deserialize = getattr(ty, "deserialize", None) or get_type_info(ty).deserialize

    def convert(element: Any) -> Any:
        if not isinstance(element, bytes):
            return element
        try:
            return deserialize(element)
        except Exception as error:
            name = getattr(ty, "name", None) or getattr(ty, "__name__", ty)
            raise ElementTypeError(
                f"an element of {len(element)} bytes is not a {name}: {error}"
            ) from error

    return convert


class LoadBytesReader(RowReader):
    """Reads any stream that has ``load_bytes`` and ``len``.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: StoredStream) -> None:
        self._stream = stream
        self._length: int | None = None

    def __len__(self) -> int:
        if self._length is None:
            self._length = self._stream.len()
        return self._length

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See ``RowReader.read``."""
        wanted = row_numbers(rows, len(self), self._stream.name()).tolist()
        elements = list(self._stream.load_bytes(rows=wanted)) if wanted else []
        if len(elements) != len(wanted):
            raise ScannerException(
                f"load_bytes of stream {self._stream.name()!r} yielded "
                f"{len(elements)} elements for {len(wanted)} rows"
            )
        return elements


class WriteHookWriter(SegmentWriter):
    """Writes a segment through a stream's own ``write``.

    Args:
        stream: The stream.
        segment: The segment to write.
    """

    def __init__(self, stream: StoredStream, segment: SegmentTask) -> None:
        super().__init__(stream.name(), segment.first_row, segment.type_name)
        self._target = stream

    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """See ``SegmentWriter.write``."""
        self._check_next(first_row)
        if len(elements):
            self._target.write(first_row, elements, seconds)
        self._next += len(elements)

    def finish(self) -> Record:
        """See ``SegmentWriter.finish``."""
        return self._record()

    def abort(self) -> None:
        """See ``SegmentWriter.abort``; rows are written again by the retry."""
        return
