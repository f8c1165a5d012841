"""Files that are read by ranges of bytes."""

from __future__ import annotations

import io
import os
from abc import abstractmethod


class RangeFile(io.RawIOBase):
    """A seekable file for reading, of which a subclass reads ranges. For one thread.

    Args:
        name: What errors call it.
        size: Its bytes.

    Attributes:
        name: See above.
        size: See above.
    """

    def __init__(self, name: str, size: int) -> None:
        super().__init__()
        self.name = name
        self.size = size
        self._position = 0

    @abstractmethod
    def _range(self, start: int, stop: int) -> bytes:
        """The bytes ``[start, stop)`` of a range that is not empty and inside the file."""

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position, also beyond the end; reads nothing."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}
        if whence not in start or start[whence] + offset < 0:
            raise ValueError(f"cannot seek {self.name!r} to {offset} ({whence})")
        self._position = start[whence] + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """The next ``size`` bytes, fewer only at the end; all for -1 or None."""
        if self.closed:
            raise ValueError(f"{self.name!r} is closed")
        start, stop = self._position, self.size
        if size is not None and size >= 0:
            stop = min(stop, start + size)
        if stop <= start:
            return b""
        data = self._range(start, stop)
        self._position = start + len(data)
        return data

    def readall(self) -> bytes:
        """All that follows."""
        return self.read()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills a buffer; returns how many bytes it got."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
