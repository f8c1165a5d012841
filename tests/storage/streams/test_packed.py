"""Packed files, and files that are none."""

from __future__ import annotations

import struct

import pytest

from beam_scanner.errors import (
    ArgumentError,
    StorageError,
)
from beam_scanner.storage import (
    PackedFileStorage,
    PackedFileStream,
)
from tests.support.outside_streams import write_packed

# Packed files


def test_packed_files_that_are_none(tmp_path):
    path = write_packed(tmp_path / "a", [b"abc", b"defg"])
    assert PackedFileStream(path).estimate_size() == (8 * 3 + 7) // 2
    assert isinstance(PackedFileStream(path).storage(), PackedFileStorage)
    content = path.read_bytes()
    for cut, message in [
        (0, "is not a packed file"),
        (7, "is not a packed"),
        (9, "not a pack"),
    ]:
        path.write_bytes(content[:cut])
        with pytest.raises(StorageError, match=message):
            PackedFileStream(path).len()
    path.write_bytes(content[:-1])
    with pytest.raises(StorageError, match=r"cut short: it has 30 bytes.* take 31"):
        PackedFileStream(path).len()
    path.write_bytes(struct.pack("<3Q", 2, 2**64 - 1, 2))
    with pytest.raises(StorageError, match="cut short"):
        PackedFileStream(path).len()
    path.unlink()
    assert not PackedFileStream(path).committed()
    with pytest.raises(ArgumentError, match="must be the path of a file, got None"):
        PackedFileStream(None)
