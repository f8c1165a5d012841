"""Memory for frames, used again.

Fresh memory of the size of a frame comes from the operating system page by page,
which takes longer than to decode the frame. All decoders of a process share what
there is, so that each task finds the memory of the one before.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

_BUDGET = 64 * 1024 * 1024


class FramePool:
    """Reuses the memory of frames that nobody holds any more.

    A frame belongs to its receiver: its memory is used again only when it, and all
    views of it, are gone.

    Args:
        budget: Bytes to keep for later at most.

    Examples:
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
        self._lock = threading.Lock()
        # By size of the frame, the size used last at the end.
        self._buffers: OrderedDict[int, list[NDArray[np.uint8]]] = OrderedDict()
        self._last = 0
        self._thread = threading.local()

    @contextmanager
    def placed(self, places: Iterable[NDArray[np.uint8]]) -> Iterator[None]:
        """Puts the next frames of this thread where the caller wants them.

        Args:
            places: For each of the next frames its memory, uint8 of one dimension; a
                frame that is too large for its own is put elsewhere.

        Examples:
            >>> pool, memory = FramePool(), np.zeros(2 * 72, np.uint8)
            >>> with pool.placed([memory[:72], memory[72:]]):
            ...     pool.empty(4, 6)[:], pool.empty(4, 6)[:] = 1, 2
            >>> memory[[0, 71, 72]].tolist()
            [1, 1, 2]
        """
        self._thread.places = deque(places)
        try:
            yield
        finally:
            del self._thread.places

    def empty(self, height: int, width: int) -> NDArray[np.uint8]:
        """An uninitialised frame: uint8[height, width, 3], C-contiguous."""
        size = height * width * 3
        if places := getattr(self._thread, "places", None):
            place: NDArray[np.uint8] = places.popleft()
            if size <= len(place):
                return place[:size].reshape((height, width, 3))
        with self._lock:
            buffers = self._buffers.get(size)
            if buffers is None:
                buffers = self._buffers[size] = []
            self._buffers.move_to_end(size)
            count, i = len(buffers), self._last
            for _ in range(count):
                i = i + 1 if i + 1 < count else 0
                # Two references are the list's and getrefcount's own: no frame and no
                # view of one uses the memory.
                if sys.getrefcount(buffers[i]) == 2:
                    self._last = i
                    return buffers[i].reshape(height, width, 3)
            buffer = np.empty(size, np.uint8)
            if self._make_room(size):
                buffers.append(buffer)
        return buffer.reshape((height, width, 3))

    def _make_room(self, size: int) -> bool:
        """Forgets frames of other sizes until one more of this size fits."""
        held = sum(s * len(found) for s, found in self._buffers.items())
        while held + size > self._budget:
            oldest = next(iter(self._buffers))
            if oldest == size:
                return False
            held -= oldest * len(self._buffers.pop(oldest))
        return True


SHARED = FramePool()
"""Of all decoders of this process."""
