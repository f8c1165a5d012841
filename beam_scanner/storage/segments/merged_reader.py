"""Reads several streams as one, for a task that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from beam_scanner.storage.segments.chained_reader import ChainedReader
from beam_scanner.storage.stored_rows import RowReader


class MergedReader(ChainedReader):
    """Reads streams that follow one another.

    Args:
        name: What errors call all of them.
        starts: int64[k + 1]: the first row of each stream, then the number of rows.
        open_streams: Opens each of them.
        keyframes: Of all of them, counted from the first row of the first; None for
            random access.
    """

    def __init__(
        self,
        name: str,
        starts: NDArray[np.int64],
        open_streams: Sequence[Callable[[], RowReader]],
        keyframes: NDArray[np.int64] | None,
    ) -> None:
        super().__init__(name, starts, lambda number: open_streams[number]())
        self._open_streams = open_streams
        self._keyframes = keyframes

    @property
    def keyframes(self) -> NDArray[np.int64] | None:
        """See :attr:`RowReader.keyframes`."""
        return self._keyframes

    def reopen(self) -> RowReader:
        """See :meth:`RowReader.reopen`."""
        if self._keyframes is None:
            return self
        return MergedReader(
            self._name, self._starts, self._open_streams, self._keyframes
        )

    def decode_on(self, decoder: str) -> None:
        """See :meth:`RowReader.decode_on`."""
        if self._keyframes is not None:
            super().decode_on(decoder)
