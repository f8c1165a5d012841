"""What readers and writers of stored rows have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import RowError
from beam_scanner.video.display import Display

Record = dict[str, Any]
"""What a segment writer hands back: JSON-able, with at least ``first``, ``rows``,
``bytes`` and ``files`` (relative to the generation's folder)."""


class RowReader(ABC):
    """Reads rows of a stream, or of a part of one, by number.

    A blob is given as serialized bytes, a frame as an H x W x C array that the
    caller owns, a null as ``NullElement``. A reader is for one thread, and reads at one
    position: where that costs, as a decoder does, :meth:`reopen` gives another.
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
        """Like :meth:`read`, but deserialized by the type that was stored, if any."""
        return self.read(rows)

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Presentation times of rows (in any order), nan where unknown."""
        return np.full(len(rows), np.nan)

    def nulls(self) -> NDArray[np.bool_]:
        """Which of all rows are null."""
        return np.zeros(len(self), dtype=np.bool_)

    @property
    def entries(self) -> NDArray[np.int64] | None:
        """Rows at which decoding may start (:mod:`beam_scanner.rows.gops`).

        None where any row can be had without decoding others.
        """
        return None

    @property
    def entry_bytes(self) -> NDArray[np.int64] | None:
        """Stored bytes from each entry up to the next; None without entries."""
        return None

    @property
    def display(self) -> Display | None:
        """How its frames are to be shown; None where that is unknown."""
        return None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded row (the largest), 0 if unknown."""
        return 0

    def counters(self) -> dict[str, int]:
        """What was done so far: frames_decoded, bytes_read, seeks."""
        return {"frames_decoded": 0, "bytes_read": 0, "seeks": 0}

    def reopen(self) -> RowReader:
        """A reader of the same rows with a position of its own, to be closed too.

        Two distant ranges can then be read in turn without decoding anything twice.
        This reader itself, where any row can be had without decoding others.
        """
        return self

    def rest(self) -> None:
        """Closes what only reading on needs, as a decoder; the next read opens it."""
        return

    def close(self) -> None:
        """Releases files and decoders; the counters stay."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class NumberedReader(RowReader):
    """A reader of known length that names its stream in errors.

    Args:
        name: The stream's name.
        length: The number of rows.
    """

    def __init__(self, name: str, length: int) -> None:
        self._name = name
        self._length = length

    def __len__(self) -> int:
        return self._length

    def checked(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows, if all of them are there.

        Raises:
            RowError: One is not.
        """
        numbers = np.asarray(rows, dtype=np.int64)
        check_rows(numbers, self._length, self._name)
        return numbers


class SegmentWriter(ABC):
    """Writes consecutive rows of one stream as one segment."""

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
        """Throws away what was written; harmless after :meth:`finish`."""


def check_rows(rows: NDArray[np.int64], length: int, stream: str) -> None:
    """Refuses rows outside ``[0, length)``.

    Raises:
        RowError: Names the first such row, the stream and its length.

    Examples:
        >>> check_rows(np.array([0, 9]), 9, 'a')
        Traceback (most recent call last):
        ...
        beam_scanner.errors.RowError: row 9 is outside stream 'a' of 9 rows
    """
    if len(rows) == 0:
        return
    outside = (rows < 0) | (rows >= length)
    if outside.any():
        row = int(rows[int(outside.argmax())])
        raise RowError(f"row {row} is outside stream {stream!r} of {length} rows")


def check_next(expected: int, first_row: int, stream: str) -> None:
    """Refuses rows that do not follow those already written."""
    if first_row != expected:
        raise RowError(
            f"rows of stream {stream!r} must be written in order: expected row "
            f"{expected}, got {first_row}"
        )
