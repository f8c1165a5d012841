"""An object as a file: read from anywhere, fetched in ranges near what is read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from beam_scanner.errors import StorageError
from beam_scanner.stores.range_file import RangeFile

BLOCK_BYTES = 256 * 1024
"""The size of the first fetch at a place, and of the blocks that are kept."""

# Fetching grows up to this while reading goes on: a request takes about as long as
# the transfer of a MiB.
_MAX_BLOCKS = 8
_KEPT_BLOCKS = 32


class ObjectFile(RangeFile):
    """Reads an object.

    A read somewhere fetches one block around it. As long as reading goes on from
    where the last fetch ended, each fetch is twice the one before, up to 2 MiB; a
    seek makes them small again. The last 8 MiB are kept.

    All bytes are of the version that was there at the beginning: if the object is
    replaced meanwhile, reading on is an error.

    Args:
        name: The object's URL.
        size: Its bytes.
        version: Its version; '' where nobody can tell versions apart.
        fetch: Gives exactly the bytes ``[start, stop)`` of that version.

    Attributes:
        version: See above.
        fetch: See above; nothing of it is kept.
    """

    def __init__(
        self, name: str, size: int, version: str, fetch: Callable[[int, int], bytes]
    ) -> None:
        super().__init__(name, size)
        self.version = version
        self.fetch = fetch
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next_block = -1
        self._ahead = 1

    def _range(self, start: int, stop: int) -> bytes:
        pieces = []
        while start < stop:
            number, offset = divmod(start, BLOCK_BYTES)
            pieces.append(self._block(number, stop)[offset : offset + stop - start])
            start += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

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
        """Fetches a block, the others up to ``stop``, and some ahead."""
        goes_on = first == self._next_block
        self._ahead = min(2 * self._ahead, _MAX_BLOCKS) if goes_on else 1
        wanted = -(-stop // BLOCK_BYTES) - first
        end = first + min(max(wanted, self._ahead), _KEPT_BLOCKS)
        end = next((n for n in range(first + 1, end) if n in self._blocks), end)
        start, stop = first * BLOCK_BYTES, min(end * BLOCK_BYTES, self.size)
        data = self.fetch(start, stop)
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
