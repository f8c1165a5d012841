"""Parquet segments as they are read."""

import numpy as np
import pytest

from beam_scanner import types
from beam_scanner.errors import (
    ElementTypeError,
)
from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.storage.segments import parquet_writer as parquet_module
from beam_scanner.types import get_type_info, type_info


def test_a_type_that_is_not_registered_here(storage, monkeypatch):
    @types.register_type
    class Celsius:
        arrow_type = get_type_info(types.NumpyArrayFloat32).arrow_type

        def serialize(value):
            return str(value).encode()

        def deserialize(data):
            return float(data)  # type: ignore[arg-type]

        def to_arrow(value):
            return [value]

        def from_arrow(stored):
            return stored[0]  # type: ignore[index]

    stream = NamedStream(storage, "s")
    stream.save([21.5], Celsius)
    assert list(stream.load()) == [21.5]
    monkeypatch.delitem(type_info._by_name, "Celsius")
    assert stream.len() == 1
    with pytest.raises(
        ElementTypeError, match="Type `Celsius` has not been registered"
    ):
        next(stream.load())


def test_rows_out_of_order_are_read_in_order(tmp_path, monkeypatch):
    """So that a shuffled load does not read the stream once a row."""
    monkeypatch.setattr(parquet_module, "GROUP_BYTES", 2_000)
    stream = NamedStream(NamedStorage(tmp_path), "s")
    values = [b"%d" % row * 20 for row in range(2000)]
    stream.save(values)
    readers = []
    real = NamedStream.reader
    monkeypatch.setattr(
        NamedStream,
        "reader",
        lambda self: readers.append(real(self)) or readers[-1],  # type: ignore[func-returns-value]
    )
    order = np.random.default_rng(0).permutation(2000)
    assert list(stream.load(rows=order)) == [values[row] for row in order]
    size = stream.descriptor().size_bytes
    assert readers[0].counters()["bytes_read"] < 12 * size
