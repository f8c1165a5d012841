"""A reader in memory that counts what a decoder would decode."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from beam_scanner.rows.gops import DecodePosition
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.types import NULL
from tests.support.graphs import TYPES
from tests.support.oracle import is_null


class FakeReader(RowReader):
    """Reads serialized values from a list and counts as a decoder would.

    Args:
        values: Of the stream; ``NULL`` for nulls.
        kind: 'any', 'bytes' or 'frame'.
        keyframes: Rows at which decoding may start; None for random access.
        frame_bytes: Bytes of a decoded row.
    """

    def __init__(
        self,
        values: Sequence[Any],
        kind: str = "any",
        keyframes: Sequence[int] | None = None,
        frame_bytes: int = 0,
    ) -> None:
        self._values = values
        self._type = TYPES[kind]
        self._keyframes = (
            None if keyframes is None else np.array(keyframes, dtype=np.int64)
        )
        self._frame_bytes = frame_bytes
        self._position: DecodePosition | None = None
        if keyframes is not None:
            self._position = DecodePosition(np.array(keyframes, dtype=np.int64))
        self._reopened: list[FakeReader] = []
        self._decoded = [0, 0]
        self.given: list[int] = []

    def __len__(self) -> int:
        return len(self._values)

    def read(self, rows: Sequence[int]) -> list[Any]:
        assert list(rows) == sorted(set(rows)), f"not ascending: {rows}"
        assert len(rows), "an empty read"
        assert rows[0] >= 0, rows
        assert rows[-1] < len(self._values), rows
        self.given += rows
        if self._position is not None:
            for row in rows:
                self._decoded[1] += self._position.seeks(row)
                self._decoded[0] += self._position.advance(row)
        return [self._element(self._values[row]) for row in rows]

    def reopen(self) -> FakeReader:
        other = copy.copy(self)
        other._decoded = [0, 0]
        if self._keyframes is not None:
            other._position = DecodePosition(self._keyframes)
        self._reopened.append(other)
        return other

    @property
    def frames_decoded(self) -> int:
        """By this reader, and by those that it gave."""
        return sum(reader._decoded[0] for reader in (self, *self._reopened))

    @property
    def seeks(self) -> int:
        return sum(reader._decoded[1] for reader in (self, *self._reopened))

    def _element(self, value: Any) -> Any:
        if is_null(value):
            return NULL
        return value.copy() if self._type is None else self._type.serialize(value)

    def seconds(self, rows: Any) -> Any:
        return np.asarray(rows) * 0.25 + 1

    @property
    def keyframes(self) -> Any:
        return self._keyframes

    @property
    def frame_bytes(self) -> int:
        return self._frame_bytes

    def counters(self) -> dict[str, int]:
        return {
            "frames_decoded": self._decoded[0],
            "seeks": self._decoded[1],
            "bytes_read": 0,
        }


def random_entries(seed: int, rows: int) -> Iterator[int]:
    """Keyframes of a stream: row 0 and some others."""
    draw = random.Random(seed)
    density = draw.choice([0.0, 0.05, 0.2, 1.0])
    yield 0
    yield from (row for row in range(1, rows) if draw.random() < density)
