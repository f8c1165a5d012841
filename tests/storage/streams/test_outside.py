"""Streams of files outside of a database are read as all others are."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import (
    RowError,
    ScannerException,
)
from beam_scanner.storage import (
    FilesStream,
    PackedFileStream,
    PythonStream,
)
from tests.support.outside_streams import ELEMENTS, write_files, write_packed

KINDS = ["files", "python", "packed"]


def _stream(kind, folder, elements):
    if kind == "files":
        return FilesStream(write_files(folder, elements))
    if kind == "python":
        return PythonStream(elements)
    return PackedFileStream(write_packed(folder / "a.packed", elements))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_rows_in_any_order(kind, tmp_path_factory, data):
    elements = data.draw(st.lists(st.binary(max_size=30), max_size=8))
    stream = _stream(kind, tmp_path_factory.mktemp(kind), elements)
    stream = pickle.loads(pickle.dumps(stream))
    assert stream.len() == len(elements)
    assert list(stream.load()) == elements
    rows = st.lists(st.integers(0, len(elements) - 1)) if elements else st.just([])
    rows = data.draw(rows)
    assert list(stream.load(rows=rows)) == [elements[row] for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_readers(kind, tmp_path):
    stream = _stream(kind, tmp_path, ELEMENTS)
    assert stream.readable()
    assert stream.writable() == (kind == "files")
    stream.storage().source(None, [stream])
    with stream.reader() as reader:
        assert (len(reader), reader.keyframes) == (4, None)
        assert reader.read([1, 3]) == [ELEMENTS[1], ELEMENTS[3]]
        assert np.isnan(reader.seconds(np.array([3, 0]))).all()
        for row in (-1, 4):
            with pytest.raises(RowError, match=f"row {row} is outside stream"):
                reader.read([row])
    if kind != "files":
        with pytest.raises(ScannerException, match="cannot serve as a Scanner output"):
            stream.storage().sink(None, None, [stream])


@pytest.mark.parametrize("kind", KINDS)
def test_fingerprints_follow_the_content(kind, tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    first, same, other = (
        _stream(kind, folder, [*ELEMENTS, last])
        for folder, last in zip(folders, (b"x", b"x", b"y"), strict=True)
    )
    for path in folders[1].iterdir():
        os.utime(path, (1, 1))
    assert first.fingerprint() == same.fingerprint() != other.fingerprint()
