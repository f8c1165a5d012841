"""Values of this Python process as streams."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.storage.streams.backend import StorageBackend, StoredStream
from beam_scanner.storage.streams.outside import combined_digest
from beam_scanner.types.element_types import NullElement

MOST_BYTES = 64 << 20
"""The values of a ``PythonStream`` may take so many bytes, pickled."""

_PROTOCOL = 5


class PythonStorage(StorageBackend):
    """Values of this process; they can be inputs only."""


class PythonStream(StoredStream):
    """A stream of values of this process, which travel to the workers.

    Bytes are elements as they are; all other values are pickled, when the stream is
    made. So an op that takes ``bytes`` is given bytes or a pickle, and one that takes
    ``typing.Any`` is given the value, unless it is bytes.

    Args:
        data: The values; ``NullElement`` makes a null row.

    Raises:
        ArgumentError: They are not a list, or take more than 64 MiB when pickled.
        ElementTypeError: A value cannot be pickled.

    Examples:
        >>> stream = PythonStream([{'a': 1}, (2, 3)])
        >>> stream.len(), list(stream.load(rows=[1, 0]))
        (2, [(2, 3), {'a': 1}])
    """

    def __init__(self, data: Iterable[Any]) -> None:
        if isinstance(data, (str, bytes)) or not isinstance(data, Iterable):
            raise ArgumentError(
                "data of a PythonStream must be a list of values, got "
                f"{type(data).__name__}"
            )
        self._elements: list[Any] = []
        self._size = pickled = plain = 0
        for row, value in enumerate(data):
            if isinstance(value, NullElement):
                self._elements.append(value)
                continue
            plain += isinstance(value, bytes)
            pickled += not isinstance(value, bytes)
            element = value if isinstance(value, bytes) else _pickled(value, row)
            self._size += len(element)
            if self._size > MOST_BYTES:
                raise ArgumentError(
                    f"data of a PythonStream takes more than {MOST_BYTES >> 20} MiB (at "
                    f"row {row}), and all of it would travel to each worker: store it "
                    "with NamedStream(sc, name).save(...) and use that as the input"
                )
            self._elements.append(element)
        self._type = Any if pickled and not plain else None
        # Null rows enter with their type, which no element of bytes has.
        self._digest = combined_digest("python", *self._elements)

    def name(self) -> str:
        """'python:' and the first letters of the fingerprint."""
        return f"python:{self.fingerprint()[:12]}"

    def storage(self) -> PythonStorage:
        """See ``StoredStream.storage``."""
        return PythonStorage()

    def exists(self) -> bool:
        """Always."""
        return True

    committed = exists

    def len(self) -> int:
        """The number of values."""
        return len(self._elements)

    def type(self) -> Any:
        """``typing.Any`` if all values were pickled, else None: bytes."""
        return self._type

    def estimate_size(self) -> int:
        """Bytes of an element, on average."""
        return self._size // max(1, len(self._elements))

    def fingerprint(self) -> str:
        """Changes with the values."""
        return self._digest

    def load_bytes(self, rows: Sequence[int] | None = None) -> Iterator[Any]:
        """See ``StoredStream.load_bytes``."""
        if rows is None:
            return iter(self._elements)
        return (self._elements[row] for row in rows)


def _pickled(value: Any, row: int) -> bytes:
    try:
        return pickle.dumps(value, protocol=_PROTOCOL)
    except Exception as error:
        raise ElementTypeError(
            f"row {row} of a PythonStream is a {type(value).__name__}, which cannot be "
            f"pickled: {error}"
        ) from error
