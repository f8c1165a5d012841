"""Whatever reads files by path refuses what is none, at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beam_scanner import ScannerException
from beam_scanner.errors import ElementTypeError
from beam_scanner.storage import CaptionStream, FilesStream, PackedFileStream
from beam_scanner.storage.streams.caption import read_captions
from beam_scanner.storage.streams.formats import FormatStream, ImageFolder

READERS: dict[str, Callable[[Path], Any]] = {
    "captions": lambda path: read_captions(str(path)),
    "caption stream": lambda path: CaptionStream(path, 1.0, 9.0).fingerprint(),
    "file": lambda path: list(FilesStream([path]).load_bytes()),
    "file's fingerprint": lambda path: FilesStream([path]).fingerprint(),
    "packed": lambda path: PackedFileStream(path).len(),
    "image": lambda path: list(FormatStream("a", path.parent, ImageFolder()).load()),
}
SPECIAL = {
    "is a named pipe": lambda path: os.mkfifo(path),
    "is a device": lambda path: path.symlink_to("/dev/zero"),
    "never completely written": lambda path: (
        path.write_bytes(b"x"),
        os.truncate(path, 10 << 40),  # type: ignore[func-returns-value]
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("told", SPECIAL)
def test_it_is_refused(tmp_path, told, reader):
    path = tmp_path / "a.png"
    SPECIAL[told](path)
    began = time.monotonic()
    with pytest.raises(ScannerException, match=told) as caught:
        READERS[reader](path)
    assert str(path) in str(caught.value)
    assert time.monotonic() - began < 60


def test_holes_that_are_small_are_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x")
    os.truncate(path, 1 << 20)
    assert [len(data) for data in FilesStream([path]).load_bytes()] == [1 << 20]


def test_captions_of_many_bytes(tmp_path):
    path = tmp_path / "a.srt"
    path.write_bytes(b"1\n" * (33 << 20))
    with pytest.raises(ElementTypeError, match="more than"):
        read_captions(str(path))


def test_captions_with_endless_numbers(tmp_path):
    path = tmp_path / "a.srt"
    times = "00:00:01,000 --> 00:00:02,000"
    path.write_text(f"{'9' * 5000}\n{times}\nhello\n")
    assert [each["index"] for each in read_captions(str(path))] == [1]
    path.write_text(f"1\n{'9' * 5000}:{times}\nhello\n")
    with pytest.raises(ElementTypeError, match="no times"):
        read_captions(str(path))
