"""Values of this process as streams."""

from __future__ import annotations

import pickle

import pytest

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
)
from beam_scanner.storage import (
    PythonStorage,
    PythonStream,
)
from beam_scanner.storage.streams import python as python_streams
from beam_scanner.types import NULL, Any

# Values of Python


def test_values_of_python():
    values = [{"a": 1}, None, (1, "x"), NULL, 2.5]
    stream = PythonStream(values)
    values[0]["a"] = 2  # type: ignore[index]  # what was given is kept
    assert stream.type() is Any
    assert list(stream.load()) == [{"a": 1}, None, (1, "x"), NULL, 2.5]
    assert pickle.loads(next(stream.load_bytes())) == {"a": 1}
    assert isinstance(stream.storage(), PythonStorage)
    assert stream.exists()
    assert stream.committed()
    mixed = PythonStream([b"raw", 7])
    assert mixed.type() is None
    raw, pickled = mixed.load()
    assert (raw, pickle.loads(pickled)) == (b"raw", 7)
    assert list(PythonStream([]).load()) == []
    assert list(PythonStream(i for i in range(3)).load()) == [0, 1, 2]
    assert PythonStream([NULL]).fingerprint() != PythonStream([b"NULL"]).fingerprint()


def test_values_that_cannot_travel(monkeypatch):
    with pytest.raises(ElementTypeError, match="row 1 of a PythonStream is a function"):
        PythonStream([1, lambda: None])
    for data in (3, b"abc", "abc", None):
        with pytest.raises(ArgumentError, match="must be a list of values"):
            PythonStream(data)  # type: ignore[arg-type]
    monkeypatch.setattr(python_streams, "MOST_BYTES", 1 << 20)
    PythonStream([bytes(1 << 19)] * 2)
    with pytest.raises(ArgumentError, match=r"takes more than 1 MiB \(at row 2\)"):
        PythonStream([bytes(1 << 19)] * 3)
