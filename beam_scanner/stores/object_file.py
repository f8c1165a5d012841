"""An object as a file: read from anywhere, fetched in ranges near what is read."""

from __future__ import annotations

import io
import os
from collections import OrderedDict

from beam_scanner.errors import StorageError
from beam_scanner.stores.bucket import Bucket

BLOCK_BYTES = 256 * 1024
"""What is fetched where reading begins; also the unit of what is kept."""

# Fetching grows up to this while reading goes on: a request takes about as long as
# the transfer of a MiB.
_MAX_BLOCKS = 8
_KEPT_BLOCKS = 32


class ObjectFile(io.RawIOBase):
    """Reads an object, seekable; for one thread.

    A read somewhere fetches one block around it. As long as reading goes on from
    where the last fetch ended, each fetch is twice the one before, up to 2 MiB; a
    seek makes them small again. The last 8 MiB are kept.

    All bytes are of the version that was there at the beginning: if the object is
    replaced meanwhile, reading on is an error.

    Args:
        bucket: Where the object lies.
        key: Its key.

    Attributes:
        size: Bytes of the object.
        version: See :class:`~beam_scanner.stores.bucket.Stat`.

    Raises:
        ObjectNotFoundError: There is none.
        StorageError: It cannot be read.
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        super().__init__()
        # An object that is not there is closed, too, when Python lets go of this.
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.name = bucket.url_of(key)
        self.size, self.version = bucket.stat(key)
        self._bucket = bucket
        self._key = key
        self._position = 0
        self._next_block = -1
        self._ahead = 1

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position, also beyond the end; fetches nothing."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}
        if whence not in start or start[whence] + offset < 0:
            raise ValueError(f"cannot seek {self.name!r} to {offset} ({whence})")
        self._position = start[whence] + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """The next ``size`` bytes, fewer only at the end; all for -1 or None."""
        if self.closed:
            raise ValueError(f"{self.name!r} is closed")
        start = self._position
        stop = self.size if size is None or size < 0 else min(self.size, start + size)
        pieces = []
        while start < stop:
            number, offset = divmod(start, BLOCK_BYTES)
            piece = self._block(number, stop)[offset : offset + stop - start]
            pieces.append(piece)
            start += len(piece)
        self._position = max(self._position, start)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readall(self) -> bytes:
        """All that follows."""
        return self.read()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fills a buffer; returns how many bytes it got."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read_range(self, start: int, stop: int) -> bytes:
        """Fetches exactly the bytes ``[start, stop)``; keeps nothing, moves nothing."""
        return self._bucket.read(self._key, start, stop, self.version)

    def close(self) -> None:
        """Lets go of what was kept."""
        self._blocks.clear()
        super().close()

    def _block(self, number: int, stop: int) -> bytes:
        if number not in self._blocks:
            self._fetch(number, stop)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, first: int, stop: int) -> None:
        """Fetches a block, what is read with it up to ``stop``, and some ahead."""
        goes_on = first == self._next_block
        self._ahead = min(2 * self._ahead, _MAX_BLOCKS) if goes_on else 1
        wanted = -(-stop // BLOCK_BYTES) - first
        end = first + min(max(wanted, self._ahead), _KEPT_BLOCKS)
        end = next((n for n in range(first + 1, end) if n in self._blocks), end)
        start, stop = first * BLOCK_BYTES, min(end * BLOCK_BYTES, self.size)
        data = self._bucket.read(self._key, start, stop, self.version)
        if len(data) != stop - start:
            raise StorageError(
                f"cannot read {self.name!r}: got {len(data)} of the {stop - start} bytes "
                f"from {start} on"
            )
        for number in range(first, end):
            offset = (number - first) * BLOCK_BYTES
            self._blocks[number] = data[offset : offset + BLOCK_BYTES]
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        self._next_block = end
