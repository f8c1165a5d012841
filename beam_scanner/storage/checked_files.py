"""Files of segments, checked as they are read.

The record of a segment has for each of its files the size and the CRC-32 of each
block of 256 KiB. So a descriptor, which has a checksum of its own, stands for all
bytes of its stream: a file that was damaged, cut short or taken from elsewhere is
noticed, and reading a few rows reads and checks only the blocks that hold them.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from beam_scanner.errors import StorageError
from beam_scanner.storage.stored_rows import Record
from beam_scanner.storage.stream_names import generation_key
from beam_scanner.stores.object_store import ObjectStore, storage_errors
from beam_scanner.stores.range_file import RangeFile

BLOCK = 1 << 18
_CRC = 4
_KEPT_BLOCKS = 2


@dataclass(frozen=True)
class Checksums:
    """What a file consists of.

    Attributes:
        size: Its bytes.
        crcs: The CRC-32 of each block, 4 bytes each, the least significant first.

    Examples:
        >>> Checksums.of(b'abc').to_json()
        [3, 'wkEkNQ==']
    """

    size: int
    crcs: bytes

    @staticmethod
    def of(data: bytes) -> Checksums:
        """Of bytes in memory."""
        return Checksums._of_file(io.BytesIO(data))

    @staticmethod
    def of_file(path: str | os.PathLike[str]) -> Checksums:
        """Of a file on this machine.

        Raises:
            StorageError: It cannot be read.
        """
        with storage_errors("read", os.fspath(path)), open(path, "rb") as file:
            return Checksums._of_file(file)

    @staticmethod
    def _of_file(file: BinaryIO) -> Checksums:
        size, crcs = 0, bytearray()
        while block := file.read(BLOCK):
            size += len(block)
            crcs += zlib.crc32(block).to_bytes(_CRC, "little")
        return Checksums(size, bytes(crcs))

    def to_json(self) -> list[Any]:
        """As it stands in the record of a segment."""
        return [self.size, base64.b64encode(self.crcs).decode()]

    @staticmethod
    def from_json(value: Any) -> Checksums:
        """What :meth:`to_json` gave.

        Raises:
            StorageError: It is something else.
        """
        try:
            size, text = value
            crcs = base64.b64decode(text, validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise StorageError(f"damaged checksums: {error}") from error
        if type(size) is not int or len(crcs) != -(-size // BLOCK) * _CRC:
            raise StorageError(f"damaged checksums: {len(crcs)} bytes for {size!r}")
        return Checksums(size, crcs)

    def crc(self, block: int) -> int:
        """The checksum of a block."""
        return int.from_bytes(self.crcs[block * _CRC :][:_CRC], "little")


class CheckedFile(RangeFile):
    """A file of which every byte that is read has been checked.

    Args:
        file: The file; closed with this one.
        sums: What it must consist of.
        name: What errors call it.

    Raises:
        StorageError: It has another size; when read: a block is damaged.
    """

    def __init__(self, file: BinaryIO, sums: Checksums, name: str) -> None:
        super().__init__(name, sums.size)
        self._file = file
        self._sums = sums
        self._kept: dict[int, bytes] = {}
        try:
            with storage_errors("read", name):
                size = file.seek(0, os.SEEK_END)
            if size != sums.size:
                raise StorageError(
                    f"{name} is damaged: it has {size} bytes, {sums.size} were written"
                )
        except BaseException:
            self.close()
            raise

    def _range(self, start: int, stop: int) -> bytes:
        first, last = start // BLOCK, (stop - 1) // BLOCK
        offset = first * BLOCK
        if first == last:
            return self._block(first)[start - offset : stop - offset]
        return self._part(self._blocks(first, last + 1), start - offset, stop - offset)

    def _part(self, data: bytes, start: int, stop: int) -> bytes:
        return data if stop - start == len(data) else data[start:stop]

    def _block(self, number: int) -> bytes:
        if number not in self._kept:
            self._keep(number, self._blocks(number, number + 1))
        return self._kept[number]

    def _keep(self, number: int, data: bytes) -> None:
        self._kept[number] = data
        while len(self._kept) > _KEPT_BLOCKS:
            del self._kept[next(iter(self._kept))]

    def _blocks(self, first: int, stop: int) -> bytes:
        start, end = first * BLOCK, min(stop * BLOCK, self._sums.size)
        with storage_errors("read", self.name):
            self._file.seek(start)
            data = self._file.read(end - start)
        if len(data) != end - start:
            raise StorageError(f"{self.name} is damaged: it became shorter")
        view = memoryview(data)
        for number in range(first, stop):
            block = view[number * BLOCK - start :][:BLOCK]
            if zlib.crc32(block) != self._sums.crc(number):
                place = number * BLOCK
                raise StorageError(
                    f"{self.name} is damaged: bytes {place} to {place + len(block) - 1} "
                    "are not those that were written"
                )
        return data

    def close(self) -> None:
        """Closes the file."""
        self._kept.clear()
        self._file.close()
        super().close()


class _ViewedFile(CheckedFile):
    """For Arrow, which takes views of large pieces, so that nothing is copied."""

    def _part(self, data: bytes, start: int, stop: int) -> bytes:
        return memoryview(data)[start:stop]  # type: ignore[return-value]


@dataclass(frozen=True)
class _Source:
    """Opens the file at each call, as decoders expect of a source. Picklable."""

    store: ObjectStore
    key: str
    sums: Checksums | None
    name: str
    fingerprint: str | None = None

    def __call__(self) -> BinaryIO:
        file = self.store.open(self.key)
        if self.sums is None:
            return file
        return cast(BinaryIO, CheckedFile(file, self.sums, self.name))


class SegmentFiles:
    """The files of one segment.

    Args:
        store: The database's store.
        stream: Name of the stream.
        generation: Of the segment.
        record: Of the segment. One that an older release wrote has no checksums, and
            its files are read as they are.
    """

    def __init__(
        self, store: ObjectStore, stream: str, generation: str, record: Record
    ) -> None:
        self._store = store
        self.stream = stream
        self._folder = generation_key(stream, generation)
        self._sums = record.get("sums")

    def name(self, file: str) -> str:
        """What errors call a file."""
        return f"{self._store.describe(self.key(file))!r} of stream {self.stream!r}"

    def key(self, file: str) -> str:
        """Where a file lies in the store."""
        return f"{self._folder}/{file}"

    def _checksums(self, file: str) -> Checksums | None:
        if self._sums is None:
            return None
        try:
            return Checksums.from_json(self._sums[file])
        except KeyError as error:
            raise StorageError(f"{self.name(file)} has no checksums") from error

    def size(self, file: str) -> int | None:
        """How many bytes were written; None where that is not known."""
        sums = self._checksums(file)
        return None if sums is None else sums.size

    def open(self, file: str) -> str | BinaryIO:
        """For Arrow: a path, or an open file."""
        sums, key = self._checksums(file), self.key(file)
        if sums is None:
            return self._store.local_path(key) or self._store.open(key)
        opened = self._store.open(key)
        return cast(BinaryIO, _ViewedFile(opened, sums, self.name(file)))

    def video(self, file: str, fingerprint: str | None = None) -> _Source:
        """For decoders: opens the file.

        Args:
            file: Which file.
            fingerprint: That of the file as it was written, if it is known: where all
                is checked, nothing need be read to see that it is the same file.
        """
        sums = self._checksums(file)
        known = None if sums is None else fingerprint
        return _Source(self._store, self.key(file), sums, self.name(file), known)

    def read(self, file: str) -> bytes:
        """The whole content of a small file."""
        with self.video(file)() as opened:
            return opened.read()
