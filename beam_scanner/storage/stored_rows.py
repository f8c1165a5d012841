"""What readers and writers of stored rows have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import RowError
from beam_scanner.rows.row_numbers import check_rows
from beam_scanner.types.type_info import ScannerTypeInfo
from beam_scanner.video.display import Display
from beam_scanner.video.encoding import Encoding

Record = dict[str, Any]
"""What a segment writer hands back: JSON-able, with at least ``first``, ``rows``,
``bytes`` and ``files`` (relative to the generation's folder)."""


class RowReader(ABC):
    """Reads rows of a stream, or of a part of one, by number.

    A blob is given as serialized bytes, a frame as an H x W x C array that the
    caller owns, a null as ``NullElement``. A reader is for one thread, and reads at one
    position: where that costs, as a decoder does, ``reopen`` gives another.
    """

    @abstractmethod
    def __len__(self) -> int:
        """The number of rows."""

    @abstractmethod
    def read(self, rows: Sequence[int]) -> list[Any]:
        """Reads rows.

        Args:
            rows: Ascending, without duplicates.

        Returns:
            One element for each row.

        Raises:
            RowError: A row lies outside the stream.
        """

    def values(self, rows: Sequence[int]) -> list[Any]:
        """Like ``read``, but deserialized by the type that was stored, if any."""
        return self.read(rows)

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Presentation times of rows (in any order), nan where unknown."""
        return np.full(len(rows), np.nan)

    def nulls(self) -> NDArray[np.bool_]:
        """Which of all rows are null."""
        return np.zeros(len(self), dtype=np.bool_)

    @property
    def keyframes(self) -> NDArray[np.int64] | None:
        """int64[k], ascending from 0: rows at which decoding may start.

        See ``beam_scanner.rows.gops``. None where any row can be read without
        decoding others.
        """
        return None

    @property
    def gop_bytes(self) -> NDArray[np.int64] | None:
        """int64[k], stored bytes from each keyframe to the next; None without any."""
        return None

    @property
    def display(self) -> Display | None:
        """How its frames are to be shown; None where that is unknown."""
        return None

    @property
    def frame_bytes(self) -> int:
        """Bytes of the largest decoded row; 0 where that is unknown."""
        return 0

    @property
    def fits_gpu(self) -> bool:
        """Whether it is one video of which the index says that GPUs decode it."""
        return False

    def counters(self) -> dict[str, int]:
        """Work done so far: frames_decoded, bytes_read, seeks."""
        return {"frames_decoded": 0, "bytes_read": 0, "seeks": 0}

    def reopen(self) -> RowReader:
        """A second reader of the same rows, at its own position; close it too.

        Two distant ranges can then be read in turn without decoding anything twice.
        Where any row can be read without decoding others, it is this reader itself.
        """
        return self

    def decode_on(self, decoder: str) -> None:  # noqa: B027 - for video alone
        """Chooses where video is decoded: 'cpu', as of each new reader, or 'cuda'.

        Raises:
            VideoError: It cannot be decoded there.
        """

    def rest(self) -> None:
        """Closes what only reading on needs, as a decoder; the next read opens it."""
        return

    def close(self) -> None:
        """Releases files and decoders; the counters stay."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NumberedReader(RowReader):
    """A reader of known length that names its stream in errors.

    Subclasses count their work in ``_counts``, which ``counters`` returns.

    Args:
        name: The stream's name.
        length: The number of rows.
    """

    def __init__(self, name: str, length: int) -> None:
        self._name = name
        self._length = length
        self._counts = Counter(super().counters())

    def __len__(self) -> int:
        return self._length

    def counters(self) -> dict[str, int]:
        """See ``RowReader.counters``."""
        return dict(self._counts)

    def checked(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows, if all of them are there.

        Raises:
            RowError: One is not.
        """
        numbers = np.asarray(rows, dtype=np.int64)
        check_rows(numbers, self._length, f"outside stream {self._name!r}")
        return numbers


@dataclass(frozen=True)
class SegmentTask:
    """The segment that one task writes of a stream.

    Attributes:
        generation: Names the version of the stream.
        task: Number of the task.
        attempt: Distinguishes copies of the task: letters, digits, '-', '_'.
        first_row: The first row that will be written.
        encoding: How frames are to be stored; None for the default.
        type_info: The element type.
        infer: Whether values of type ``Any`` may be unpickled, to find the type that
            they have.
    """

    generation: str
    task: int
    attempt: str
    first_row: int
    encoding: Encoding | None = None
    type_info: ScannerTypeInfo | None = None
    infer: bool = False

    @property
    def type_name(self) -> str:
        """Name of the element type; '' for plain bytes."""
        return self.type_info.name if self.type_info is not None else ""

    @property
    def stem(self) -> str:
        """Name of the segment's files, without their ends."""
        return f"{self.task:08d}-{self.attempt}"


@dataclass(frozen=True)
class Publication:
    """What makes a generation of a stream visible.

    Attributes:
        generation: As in the tasks that wrote it.
        segments: What the writers' ``finish`` returned, for all tasks.
        fingerprint: Of graph, arguments and inputs.
        run: Names the run.
        source: Fingerprint of the source.
        type_name: Element type of a stream without any row.
        seen: The generation that is to be replaced, '' for none; None for whatever is
            there.
    """

    generation: str
    segments: Sequence[Record]
    fingerprint: str = ""
    run: str = ""
    source: str = ""
    type_name: str = ""
    seen: str | None = None


class SegmentWriter(ABC):
    """Writes consecutive rows of one stream as one segment.

    Args:
        stream: The stream's name, for errors.
        first_row: Number of the segment's first row.
        type_name: Name of the element type; '' for plain bytes.
    """

    def __init__(self, stream: str, first_row: int, type_name: str = "") -> None:
        self._stream = stream
        self._first = self._next = first_row
        self._type_name = type_name

    def _record(self, kind: str = "blob") -> Record:
        """The record of what was written so far, without its files."""
        return {
            "first": self._first,
            "rows": self._next - self._first,
            "bytes": 0,
            "files": [],
            "kind": kind,
            "type": self._type_name,
        }

    def _check_next(self, first_row: int) -> None:
        """Refuses rows that do not follow those already written.

        Raises:
            RowError: Names the stream and the row that was expected.
        """
        if first_row != self._next:
            raise RowError(
                f"rows of stream {self._stream!r} must be written in order: expected "
                f"row {self._next}, got {first_row}"
            )

    @abstractmethod
    def write(
        self, first_row: int, elements: Sequence[Any], seconds: NDArray[np.float64]
    ) -> None:
        """Appends rows.

        Args:
            first_row: Number of the first; follows the last one written.
            elements: Serialized bytes, frames or ``NullElement``.
            seconds: float64 of their presentation times, nan where unknown.
        """

    def keep_display(self, display: Display) -> None:  # noqa: B027 - for video alone
        """Says how the frames that will come are to be shown."""

    @abstractmethod
    def finish(self) -> Record:
        """Stores the segment durably; returns its record for ``publish``."""

    @abstractmethod
    def abort(self) -> None:
        """Throws away what was written; harmless after ``finish``."""
