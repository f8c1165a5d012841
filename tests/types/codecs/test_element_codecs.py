"""Lists, messages and columns of Parquet give back what went in."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import struct_pb2, type_pb2
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner import protobufs, types
from tests.support.element_values import BOXES, FLOAT32, Matrix, Pair, copies


@given(st.binary())
def test_bytes_come_back(value: bytes) -> None:
    assert copies(bytes, value) == [value] * 4


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_any_comes_back(value: Any) -> None:
    assert copies(typing.Any, value) == [value] * 4


Things = types.VariableList("Things", typing.Any)


Nested = types.VariableList("Nested", types.BboxList)


Value = types.ProtobufType("Value", struct_pb2.Value)


@given(st.lists(hnp.arrays(np.float32, 3, elements=FLOAT32), max_size=4))
def test_uniform_lists_by_size(value: list[np.ndarray]) -> None:
    for copy in copies(Matrix, value):
        assert np.array_equal(np.array(value), np.array(copy))


@given(hnp.arrays(np.int32, st.tuples(st.just(2), st.integers(1, 5))))
def test_uniform_lists_by_parts(value: np.ndarray) -> None:
    for copy in copies(Pair, list(value)):
        assert np.array_equal(value, np.array(copy))


@given(st.lists(st.none() | st.text(), max_size=4))
def test_variable_lists(value: list[Any]) -> None:
    assert copies(Things, value) == [value] * 4


@given(st.lists(st.lists(BOXES, max_size=2), max_size=2))
def test_lists_of_lists(value: list[Any]) -> None:
    assert copies(Nested, value) == [value] * 4


def test_a_message_that_contains_itself_is_stored_serialized() -> None:
    value = struct_pb2.Value(list_value={"values": [{"string_value": "x"}]})  # type: ignore[arg-type]
    assert types.get_type_info(Value).arrow_type == pa.binary()
    assert copies(Value, value) == [value] * 4


def test_a_message_keeps_which_fields_are_set() -> None:
    for value in (
        type_pb2.Field(name="a"),
        type_pb2.Field(options=[{"name": "o", "value": {"type_url": "t"}}, {}]),  # type: ignore[list-item]
    ):
        info = types.get_type_info(FieldType)
        assert info.arrow_type.field("options").type.value_type.num_fields == 2
        assert copies(FieldType, value) == [value] * 4


FieldType = types.ProtobufType("FieldType", type_pb2.Field)


def test_columns_are_typed() -> None:
    shown = {
        name: str(types.get_type_info_cpp(name).arrow_type)
        for name in ("Bytes", "Any", "Image", "NumpyArrayInt32", "Bbox", "BboxList")
    }
    box = (
        "struct<x1: float, y1: float, x2: float, y2: float, score: float, "
        "track_id: int32, track_score: double, label: int32>"
    )
    assert shown == {
        "Bytes": "binary",
        "Any": "binary",
        "Image": "binary",
        "NumpyArrayInt32": "list<item: int32>",
        "Bbox": box,
        "BboxList": f"list<item: {box}>",
    }


def test_other_programs_read_the_columns(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    box = protobufs.BoundingBox(x1=0.25, label=7)
    values = {
        "Histogram": [np.full(16, i) for i in range(3)],
        "BboxList": [box, box],
        "NumpyArray": array,
        "NumpyArrayFloat32": array,
    }
    columns = {}
    for name, value in values.items():
        info = types.get_type_info_cpp(name)
        assert info.to_arrow is not None
        columns[name] = pa.array([info.to_arrow(value), None], info.arrow_type)
    path = tmp_path / "columns.parquet"
    pq.write_table(pa.table(columns), path)

    query = (
        "select Histogram[3][1], BboxList[2].label, NumpyArray.shape, "
        f"NumpyArrayFloat32[6] from '{path}'"
    )
    rows = duckdb.sql(query).fetchall()
    assert rows == [(2, 7, [2, 3], 5.0), (None,) * 4]

    first = pd.read_parquet(path).iloc[0]
    assert first["BboxList"][0]["x1"] == 0.25
    stored = first["NumpyArray"]
    again = np.frombuffer(stored["data"], stored["dtype"]).reshape(stored["shape"])
    assert np.array_equal(again, array)
