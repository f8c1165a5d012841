"""Reads several readers as one."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.storage.stored_rows import NumberedReader, RowReader

_OPEN_PARTS = 8


class ChainedReader(NumberedReader):
    """Reads rows of several readers as if they were one.

    A reader is opened when it is first needed, and the last few stay open. Of these
    only the one that is being read keeps a decoder.

    Args:
        name: The stream's name, for errors.
        starts: int64[k + 1]: the first row of each part, then the number of rows.
        open_part: Opens a part, by its number. Its rows are counted from its first.
    """

    def __init__(
        self,
        name: str,
        starts: NDArray[np.int64],
        open_part: Callable[[int], RowReader],
    ) -> None:
        super().__init__(name, int(starts[-1]))
        self._starts = starts
        self._open_part = open_part
        self._open: OrderedDict[int, RowReader] = OrderedDict()
        self._at = -1
        self._decoder = "cpu"

    def part(self, number: int) -> RowReader:
        """A part, open."""
        if number not in self._open:
            while len(self._open) >= _OPEN_PARTS:
                self._close_part(self._open.popitem(last=False)[1])
            part = self._open_part(number)
            part.decode_on(self._decoder)
            self._open[number] = part
        self._open.move_to_end(number)
        return self._open[number]

    def _close_part(self, part: RowReader) -> None:
        self._counts.update(part.counters())
        part.close()

    def _go_to(self, number: int) -> RowReader:
        if number != self._at:
            self.rest()
            self._at = number
        return self.part(number)

    def _split(
        self, rows: NDArray[np.int64]
    ) -> Iterator[tuple[int, NDArray[np.int64], slice]]:
        """Yields (part, rows counted from its first, where in ``rows``)."""
        if not len(rows):
            return
        numbers = np.searchsorted(self._starts[1:], rows, side="right")
        if numbers[0] == numbers[-1]:
            yield int(numbers[0]), rows - self._starts[numbers[0]], slice(None)
            return
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        for a, b in pairwise(cuts):
            number = int(numbers[a])
            yield number, rows[a:b] - self._starts[number], slice(a, b)

    def read(self, rows: Sequence[int]) -> list[Any]:
        """See :meth:`RowReader.read`."""
        elements: list[Any] = []
        for number, wanted, _ in self._split(self.checked(rows)):
            elements += self._go_to(number).read(wanted.tolist())
        return elements

    def values(self, rows: Sequence[int]) -> list[Any]:
        """See :meth:`RowReader.values`.

        Raises:
            ElementTypeError: The stored type is not registered in this process.
            UntrustedDataError: It must not be unpickled.
        """
        values: list[Any] = []
        for number, wanted, _ in self._split(self.checked(rows)):
            values += self._go_to(number).values(wanted.tolist())
        return values

    def seconds(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :meth:`RowReader.seconds`."""
        array = self.checked(rows)
        order = np.argsort(array, kind="stable")
        times = np.empty(len(array))
        for number, wanted, where in self._split(array[order]):
            times[order[where]] = self.part(number).seconds(wanted)
        return times

    def nulls(self) -> NDArray[np.bool_]:
        """See :meth:`RowReader.nulls`."""
        masks = [self.part(i).nulls() for i in range(len(self._starts) - 1)]
        return np.concatenate([np.zeros(0, dtype=np.bool_), *masks])

    def counters(self) -> dict[str, int]:
        """See :meth:`RowReader.counters`."""
        totals = Counter(self._counts)
        for part in self._open.values():
            totals.update(part.counters())
        return dict(totals)

    def decode_on(self, decoder: str) -> None:
        """See :meth:`RowReader.decode_on`; says at once what the first part lacks."""
        if decoder == self._decoder:
            return
        self.close()
        self._decoder = decoder
        if decoder != "cpu" and len(self):
            self.part(0)

    def rest(self) -> None:
        """See :meth:`RowReader.rest`."""
        if self._at in self._open:
            self._open[self._at].rest()

    def close(self) -> None:
        """See :meth:`RowReader.close`."""
        while self._open:
            self._close_part(self._open.popitem()[1])
