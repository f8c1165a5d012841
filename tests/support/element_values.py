"""Values of element types, through bytes and through columns."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.internal import cloudpickle
from hypothesis import strategies as st

from beam_scanner import protobufs, types

FLOAT32 = st.floats(width=32, allow_nan=False)


BOXES = st.builds(
    protobufs.BoundingBox,
    x1=FLOAT32,
    y2=FLOAT32,
    score=FLOAT32,
    track_id=st.integers(-(2**31), 2**31 - 1),
    track_score=st.floats(allow_nan=False),
    label=st.integers(-(2**31), 2**31 - 1),
)


def through_column(info: types.ScannerTypeInfo, values: list[Any]) -> list[Any]:
    """What comes back from a Parquet file with one column of ``values``."""
    to_arrow = info.to_arrow or info.serialize
    from_arrow = info.from_arrow or info.deserialize
    column = pa.array([to_arrow(value) for value in values], info.arrow_type)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"value": column}), sink)
    table = pq.read_table(pa.BufferReader(sink.getvalue()))
    assert table.schema.field("value").type == info.arrow_type
    return [from_arrow(value) for value in table["value"].to_pylist()]


def copies(annotation: Any, value: Any) -> list[Any]:
    """``value`` through bytes, a column, and a pickled type info."""
    info = types.get_type_info(annotation)
    again = pickle.loads(pickle.dumps(info))
    shipped = pickle.loads(cloudpickle.dumps(info))
    data = info.serialize(value)
    assert isinstance(data, bytes)
    return [
        info.deserialize(data),
        again.deserialize(again.serialize(value)),
        shipped.deserialize(shipped.serialize(value)),
        *through_column(info, [value]),
    ]


def same_array(left: Any, right: Any) -> bool:
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and left.tobytes() == right.tobytes()
    )


Matrix = types.UniformList("Matrix", types.NumpyArrayFloat32, size=12)


Pair = types.UniformList("Pair", types.NumpyArrayInt32, parts=2)
