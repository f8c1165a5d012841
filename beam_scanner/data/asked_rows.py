"""The rows that were asked for, taken piece by piece."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.rows.row_maps import Int64Array


class AskedRows:
    """Rows of one video, or pairs of a video and a row, in the order asked for.

    Inside, all are pairs: int64[n, 2].

    Args:
        rows: Whole numbers, or pairs of them: an array, a sequence, or anything that
            can be iterated over, endlessly too, of which no more is taken than needed.
        single: Whether they are numbers, of the one video.

    Attributes:
        known: All of them; None where they are taken as they are needed.

    Raises:
        ArgumentError: They are something else.

    Examples:
        >>> rows = AskedRows([5, 1, 5], single=True)
        >>> rows.take(2).tolist()
        [[0, 5], [0, 1]]
        >>> rows.put_back(rows.take(9))
        >>> rows.take(9).tolist()
        [[0, 5]]
    """

    def __init__(self, rows: Any, single: bool) -> None:
        self._single = single
        self._rows = rows
        self._has_taken = False
        self.known: Int64Array | None = None
        if isinstance(rows, Sequence) or hasattr(rows, "__array__"):
            self.known = self._pairs(rows)
        elif not isinstance(rows, Iterable):
            raise self._error(rows)
        self.restart()

    def restart(self) -> None:
        """Begins again with the first.

        Raises:
            ArgumentError: They come from an iterator, which goes on and never back.
        """
        more: Iterator[Any] = iter(() if self.known is not None else self._rows)
        if more is self._rows and self._has_taken:
            raise ArgumentError(
                "the rows come from an iterator, some of which has been taken: make "
                "another one, or give an object that can be iterated over again"
            )
        self._more = more
        self._failure: BaseException | None = None
        self._waiting = deque([] if self.known is None else [self.known])

    def take(self, count: int) -> Int64Array:
        """int64[n, 2]: the next rows, fewer than ``count`` at the end.

        Raises:
            ArgumentError: What is iterated over gives something else than rows.
            Exception: What it raises, when all rows before that were taken.
        """
        waiting = sum(len(pairs) for pairs in self._waiting)
        if waiting < count:
            self._iterate(count - waiting)
        found: list[Int64Array] = []
        missing = count
        while missing and self._waiting:
            pairs = self._waiting.popleft()
            found.append(pairs[:missing])
            self.put_back(pairs[missing:])
            missing -= len(found[-1])
        if not found:
            if self._failure is not None:
                raise self._failure
            return np.empty((0, 2), np.int64)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def put_back(self, rows: Int64Array) -> None:
        """Makes rows that were taken the next ones again."""
        if len(rows):
            self._waiting.appendleft(rows)

    def _iterate(self, count: int) -> None:
        """Takes more; what is raised meanwhile has its turn after what was taken."""
        more: list[Any] = []
        try:
            more.extend(self._checked(row) for row in islice(self._more, count))
        except BaseException as error:
            self._failure = error
            if not isinstance(error, Exception):
                raise
        finally:
            if more:
                self._has_taken = True
                self._waiting.append(self._pairs(more))

    def _checked(self, row: Any) -> Any:
        self._pairs([row])
        return row

    def as_asked(self, pairs: Int64Array) -> Int64Array:
        """int64[n] or int64[n, 2]: a copy of rows in the form of the caller's."""
        return (pairs[:, 1] if self._single else pairs).copy()

    def _pairs(self, rows: Any) -> Int64Array:
        try:
            found = np.asarray(rows)
        except ValueError:
            raise self._error(rows) from None
        if not found.size:
            return np.empty((0, 2), np.int64)
        if found.dtype.kind not in "iu" or found.shape != (
            (len(found),) if self._single else (len(found), 2)
        ):
            raise self._error(rows)
        pairs = np.zeros((len(found), 2), np.int64)
        pairs[:, 1 if self._single else slice(None)] = found
        return pairs

    def _error(self, rows: Any) -> ArgumentError:
        expected = (
            "row numbers of the video"
            if self._single
            else "pairs: the number of a video in the list, and a row of it"
        )
        text = repr(rows)
        return ArgumentError(f"rows: expected {expected}, got {text[:200]}")
