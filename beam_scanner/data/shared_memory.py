"""Memory that worker processes write frames into.

It is a file without a name, which the system removes with the last process that has
it, however that ends.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError

_STEPS = 4
"""The file grows by so many budgets at a time."""


def whole_pages(size: int) -> int:
    """A number of bytes, rounded up to what a part of the memory takes.

    Examples:
        >>> whole_pages(1) == whole_pages(0) == mmap.PAGESIZE
        True
    """
    return -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE


class MappedFile:
    """A process's view of the memory.

    Args:
        file: Descriptor of the file, which stays the caller's.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._map: mmap.mmap | None = None

    def part(self, offset: int, size: int) -> NDArray[np.uint8]:
        """uint8[size]: a part of the memory."""
        return np.frombuffer(self._mapped_to(offset + size), np.uint8, size, offset)

    def empty(self, offset: int, size: int) -> None:
        """Gives the memory of a part, of whole pages, back to the system."""
        # Where that cannot do it, it is given back with the last view.
        with suppress(OSError):
            self._mapped_to(offset + size).madvise(mmap.MADV_REMOVE, offset, size)

    def _mapped_to(self, end: int) -> mmap.mmap:
        if self._map is None or len(self._map) < end:
            # Arrays keep the old one as long as they need it.
            self._map = mmap.mmap(self._file, os.fstat(self._file).st_size)
        return self._map


@dataclass
class _Free:
    """A part that is not in use; ``resident``: that may have memory all the same."""

    offset: int
    size: int
    resident: bool

    @property
    def end(self) -> int:
        return self.offset + self.size


class SharedMemory:
    """Parts of one file in memory, used again.

    A part is reserved, written by workers, and then lent to the program as an array.
    It comes back when that array, and all views of it, are gone.

    Args:
        budget: Bytes that parts which are reserved or free, but not lent, may have.

    Attributes:
        budget: See above; it may grow.
        file: Descriptor of the file.

    Examples:
        >>> memory = SharedMemory(1 << 20)
        >>> offset = memory.reserve(100_000)
        >>> array = memory.lend(offset)
        >>> array.shape, memory.reserve(100_000) == offset
        ((102400,), False)
        >>> del array
        >>> memory.reserve(100_000) == offset
        True
        >>> memory.close()
    """

    def __init__(self, budget: int) -> None:
        self.file = os.memfd_create("frames")
        self.budget = budget
        self._mapped = MappedFile(self.file)
        self._size = 0
        self._free: list[_Free] = []
        self._reserved: dict[int, int] = {}
        self._lent: dict[int, int] = {}
        # Parts come back in whatever thread drops the last view.
        self._returned: deque[tuple[int, int]] = deque()
        self._closed = False
        self._process = os.getpid()
        self._close_file = weakref.finalize(self, os.close, self.file)
        _ALL.add(self)

    def reserve(self, size: int) -> int:
        """The offset of a part of that size, rounded up to pages.

        Raises:
            ArgumentError: It is more than the budget.
        """
        size = whole_pages(size)
        if size > self.budget:
            raise ArgumentError(f"{size} bytes are more than {self.budget}")
        self._take_returned()
        offset = self._reuse(size)
        if offset is None:
            offset, self._size = self._size, self._size + size
            # Long before it is needed, which costs nothing: processes that have mapped
            # a file are slow to map it again.
            step = _STEPS * self.budget
            os.ftruncate(self.file, -(-self._size // step) * step)
        self._reserved[offset] = size
        self._keep_budget()
        return offset

    def part(self, offset: int, size: int) -> NDArray[np.uint8]:
        """uint8[size]: some bytes of a reserved part."""
        return self._mapped.part(offset, size)

    def lend(self, offset: int) -> NDArray[np.uint8]:
        """uint8[size]: a reserved part, for as long as anything refers to the array."""
        size = self._reserved.pop(offset)
        array = self._mapped.part(offset, size)
        self._lent[offset] = size
        weakref.finalize(array, self._come_back, offset, size).atexit = False
        return array

    def give_up(self, offset: int) -> None:
        """Takes back a reserved part; nobody may write into it any more."""
        self._put_free(_Free(offset, self._reserved.pop(offset), resident=True))

    @property
    def reserved(self) -> int:
        """Bytes of parts that are reserved and not lent yet."""
        return sum(self._reserved.values())

    def keep_lent(self) -> None:
        """Never uses again what is lent now: another process may look at it."""
        self._lent.clear()

    def close(self) -> None:
        """Gives all memory back but that of arrays which are in use."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        for offset in list(self._reserved):
            self.give_up(offset)
        self._take_returned()
        if self._size:
            # Of the whole file, since it cannot be mapped again.
            self._mapped.part(0, self._size)
        for part in self._free:
            self._mapped.empty(part.offset, part.size)
        self._close_file()

    def _come_back(self, offset: int, size: int) -> None:
        # What is kept for another process is not among them any more.
        if self._lent.pop(offset, None) is None or os.getpid() != self._process:
            return
        if self._closed:
            self._mapped.empty(offset, size)
        else:
            self._returned.append((offset, size))

    def _take_returned(self) -> None:
        while self._returned:
            offset, size = self._returned.popleft()
            self._put_free(_Free(offset, size, resident=True))

    def _reuse(self, size: int) -> int | None:
        fitting = [part for part in self._free if part.size >= size]
        if not fitting:
            return None
        # Fresh memory costs the system more than to write into what is there.
        part = min(fitting, key=lambda part: (not part.resident, part.size))
        self._free.remove(part)
        if part.size > size:
            rest = _Free(part.offset + size, part.size - size, part.resident)
            self._free.append(rest)
        return part.offset

    def _put_free(self, part: _Free) -> None:
        """Joins it with its neighbours."""
        for other in list(self._free):
            if other.resident == part.resident and (
                other.end == part.offset or part.end == other.offset
            ):
                self._free.remove(other)
                first = min(part.offset, other.offset)
                part = _Free(first, part.size + other.size, part.resident)
        self._free.append(part)

    def _keep_budget(self) -> None:
        resident = [part for part in self._free if part.resident]
        held = self.reserved + sum(part.size for part in resident)
        while held > self.budget and resident:
            part = resident.pop()
            held -= part.size
            self._free.remove(part)
            self._mapped.empty(part.offset, part.size)
            self._put_free(_Free(part.offset, part.size, resident=False))


_ALL: weakref.WeakSet[SharedMemory] = weakref.WeakSet()


def _after_fork() -> None:
    """A fork of this process sees what it was lent; it must not change under it."""
    for memory in list(_ALL):
        memory.keep_lent()


os.register_at_fork(after_in_parent=_after_fork)
