"""Memory for frames, used again.

Fresh memory of the size of a frame comes from the operating system page by page,
which takes longer than to decode the frame.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

_BUDGET = 64 * 1024 * 1024


class FramePool:
    """Hands out frames in memory that nobody holds any more.

    A frame belongs to whoever got it: its memory is used again only when it, and all
    views of it, are gone.

    Args:
        budget: Bytes to keep for later at most.

    Example:
        >>> pool = FramePool()
        >>> first = pool.empty(4, 6)
        >>> place = first.ctypes.data
        >>> pool.empty(4, 6).ctypes.data == place  # first is still in use
        False
        >>> corner = first[:2]
        >>> del first
        >>> place in {pool.empty(4, 6).ctypes.data for _ in range(5)}
        False
        >>> del corner
        >>> place in {pool.empty(4, 6).ctypes.data for _ in range(5)}
        True
    """

    def __init__(self, budget: int = _BUDGET) -> None:
        self._budget = budget
        self._buffers: list[NDArray[np.uint8]] = []
        self._size = 0
        self._last = 0

    def empty(self, height: int, width: int) -> NDArray[np.uint8]:
        """An uninitialised frame: uint8[height, width, 3], C-contiguous."""
        shape, size = (height, width, 3), height * width * 3
        if size != self._size:
            self._buffers, self._size, self._last = [], size, 0
        buffers = self._buffers
        for step in range(1, len(buffers) + 1):
            i = (self._last + step) % len(buffers)
            # The list and getrefcount's argument: no frame and no view.
            if sys.getrefcount(buffers[i]) == 2:
                self._last = i
                return buffers[i].reshape(shape)
        buffer = np.empty(size, np.uint8)
        if (len(buffers) + 1) * size <= self._budget:
            buffers.append(buffer)
        return buffer.reshape(shape)
