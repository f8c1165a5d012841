"""Element types: bytes and Parquet columns give back what went in."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import textwrap
import typing
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.internal import cloudpickle
from google.protobuf import struct_pb2, type_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner import protobufs, types
from beam_scanner.errors import ArgumentError, ElementTypeError, ScannerException
from tests.support.folders import ROOT

ANY_DTYPE = st.one_of(
    hnp.scalar_dtypes(),
    hnp.byte_string_dtypes(min_len=1),
    hnp.unicode_string_dtypes(min_len=1),
    hnp.array_dtypes(hnp.scalar_dtypes(), max_size=3),
)
ARRAYS = ANY_DTYPE.flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    )
)
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
HISTOGRAMS = hnp.arrays(np.int32, st.tuples(st.just(3), st.integers(1, 20))).map(list)


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


NUMBERS = st.integers(-(2**63), 2**63 - 1)
PLAIN = st.one_of(
    st.tuples(st.just(int), NUMBERS),
    st.tuples(st.just(float), st.floats(allow_nan=False)),
    st.tuples(st.just(bool), st.booleans()),
    st.tuples(st.just(str), st.text(st.characters(codec="utf-8"))),
)


@given(PLAIN)
def test_plain_values_come_back(given_: tuple[type, Any]) -> None:
    kind, value = given_
    found = copies(kind, value)
    assert found == [value] * 4
    assert {type(copy) for copy in found} == {kind}


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (int, np.uint64(2**63 - 1), 2**63 - 1),
        (int, np.int8(-1), -1),
        (float, 3, 3.0),
        (float, np.int64(3), 3.0),
        (float, np.float32(0.5), 0.5),
        (float, math.inf, math.inf),
        (bool, np.bool_(True), True),
        (str, np.str_("ü\0"), "ü\0"),
    ],
)
def test_numbers_of_numpy_are_plain(kind: type, value: Any, wanted: Any) -> None:
    found = copies(kind, value)
    assert found == [wanted] * 4
    assert {type(copy) for copy in found} == {kind}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 1.0),
        (int, "1"),
        (int, None),
        (int, 2**63),
        (int, np.uint64(2**63)),
        (int, np.array([1])),
        (float, False),
        (float, np.bool_(True)),
        (float, "1"),
        (float, None),
        (float, 10**400),
        (float, 1j),
        (bool, 1),
        (bool, None),
        (str, b"a"),
        (str, None),
        (str, "\ud800"),
    ],
)
def test_plain_types_are_strict(kind: type, value: Any) -> None:
    info = types.get_type_info(kind)
    for convert in (info.serialize, info.to_arrow):
        assert convert is not None
        with pytest.raises(ElementTypeError, match=f"type {kind.__name__} expected "):
            convert(value)


@settings(max_examples=200)
@given(ARRAYS, st.sampled_from([types.NumpyArray, types.FrameType]))
def test_arrays_keep_dtype_and_shape(value: np.ndarray, annotation: Any) -> None:
    for copy in copies(annotation, value):
        assert same_array(np.asarray(value), copy)
        assert copy.flags.writeable
        assert copy.flags.owndata


@given(hnp.arrays(np.float32, st.integers(0, 9), elements=FLOAT32))
def test_float32_arrays_come_back_flat(value: np.ndarray) -> None:
    for copy in copies(types.NumpyArrayFloat32, value.reshape(1, -1)):
        assert same_array(value, copy)
        assert copy.flags.writeable
    assert types.get_type_info(types.NumpyArrayFloat32).serialize(value) == (
        value.tobytes()
    )


@given(hnp.arrays(np.int32, st.integers(0, 9)))
def test_int32_arrays_come_back_flat(value: np.ndarray) -> None:
    for copy in copies(types.NumpyArrayInt32, value.astype(np.int64)):
        assert same_array(value, copy)


@given(HISTOGRAMS)
def test_histograms_come_back(value: list[np.ndarray]) -> None:
    for copy in copies(types.Histogram, value):
        assert len(copy) == 3
        assert all(same_array(a, b) for a, b in zip(value, copy, strict=True))


def test_histogram_of_16_bins_takes_192_bytes() -> None:
    info = types.get_type_info(types.Histogram)
    assert len(info.serialize([np.arange(16)] * 3)) == 192


@given(BOXES)
def test_boxes_come_back(value: protobufs.BoundingBox) -> None:
    assert copies(types.Bbox, value) == [value] * 4


@given(st.lists(BOXES, max_size=4))
def test_box_lists_come_back(value: list[protobufs.BoundingBox]) -> None:
    assert copies(types.BboxList, value) == [value] * 4


def test_an_empty_box_list_takes_8_bytes() -> None:
    assert types.get_type_info(types.BboxList).serialize([]) == bytes(8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_come_back(dtype: type, channels: int) -> None:
    top = np.iinfo(dtype).max
    shape = (5, 7, channels)
    value = np.random.default_rng(1).integers(0, top, shape, dtype, endpoint=True)
    for copy in copies(types.Image, value):
        assert same_array(value, copy)


def test_the_bytes_of_an_image_file_are_kept() -> None:
    info = types.get_type_info(types.Image)
    file = info.serialize(np.zeros((2, 2, 3), np.uint8))
    assert info.serialize(file) == file
    assert file.startswith(b"\x89PNG")


Matrix = types.UniformList("Matrix", types.NumpyArrayFloat32, size=12)
Pair = types.UniformList("Pair", types.NumpyArrayInt32, parts=2)
Things = types.VariableList("Things", typing.Any)
Nested = types.VariableList("Nested", types.BboxList)
Value = types.ProtobufType("Value", struct_pb2.Value)
Method = types.ProtobufType("Method", type_pb2.Type)


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


class Opaque:
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("it is opaque")


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        (bytes, "text", "type Bytes expected bytes, got str 'text'"),
        (bytes, None, "NoneType"),
        (typing.Any, Opaque(), "it is opaque"),
        (types.Histogram, [np.zeros(16)] * 3, "expected integers"),
        (types.Histogram, [np.arange(16)] * 2, "three arrays"),
        (types.Histogram, [[1, 2], [3], [4, 5]], "three arrays"),
        (types.Histogram, [[2**31]] * 3, "fit int32"),
        (types.Histogram, None, "three arrays"),
        (types.NumpyArray, [1, 2], "NumPy array"),
        (types.NumpyArray, np.array([{}]), "without Python objects"),
        (types.NumpyArray, np.ma.masked_array([1], [True]), "NumPy array"),
        (types.NumpyArrayFloat32, np.arange(3), "floating-point"),
        (types.NumpyArrayInt32, np.zeros(3), "integers"),
        (types.NumpyArrayInt32, np.array([2**40]), "fit int32"),
        (types.Bbox, protobufs.Point(), "beam_scanner.BoundingBox"),
        (types.BboxList, protobufs.BoundingBox(), "list of Bbox"),
        (types.BboxList, b"", "list of Bbox"),
        (types.Image, b"GIF89a", "PNG or JPEG"),
        (types.Image, np.zeros((2, 2, 3), np.float32), "uint8 or uint16"),
        (types.Image, np.zeros((0, 2, 3), np.uint8), "shape"),
        (Matrix, [np.zeros(2, np.float32)], "elements of 12 bytes"),
        (Pair, [np.zeros(2, np.int32)], "list of 2 elements"),
        (Pair, [np.zeros(2, np.int32), np.zeros(1, np.int32)], "one size"),
        (Pair, [np.zeros(0, np.int32)] * 2, "one size above 0"),
    ],
)
def test_wrong_values_are_named(annotation: Any, value: Any, says: str) -> None:
    info = types.get_type_info(annotation)
    with pytest.raises(ElementTypeError, match=says):
        info.serialize(value)
    with pytest.raises(ElementTypeError, match=says):
        (info.to_arrow or info.serialize)(value)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_what_is_no_image_is_an_error(data: bytes) -> None:
    with pytest.raises(ElementTypeError, match=r"PNG|JPEG"):
        types.get_type_info(types.Image).deserialize(data or b"x")


def test_null_is_itself_everywhere() -> None:
    null = pickle.loads(pickle.dumps(types.NULL))
    assert isinstance(null, types.NullElement)
    assert null == types.NULL
    assert hash(null) == hash(types.NULL)
    assert None not in (null,)
    assert null != b""
    assert bool(null)


def test_generic_arrays_are_arrays() -> None:
    info = types.get_type_info(np.typing.NDArray[np.float32])
    assert info == types.get_type_info(np.ndarray)
    assert info != types.get_type_info(bytes)
    assert types.get_type_info(info) is info


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (complex, "`complex`"),
        (dict[str, int], r"`dict\[str, int\]`"),
        (typing.Sequence[bytes], "`.*Sequence"),
        ({}, "`{}`"),
        (None, "`None`"),
        ("Histogram", "`'Histogram'`"),
    ],
)
def test_other_annotations_say_how_to_register(annotation: Any, shown: str) -> None:
    with pytest.raises(
        ScannerException,
        match=f"Type {shown}.*has not been registered with Scanner.*register_type",
    ):
        types.get_type_info(annotation)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(ElementTypeError, match="Type `Nope` has not been registered"):
        types.get_type_info_cpp("Nope")


def test_a_second_type_of_one_name_is_an_error() -> None:
    with pytest.raises(ArgumentError, match=r"'Histogram'.*beam_scanner\.types"):
        types.register_type(
            type("Histogram", (), {"serialize": bytes, "deserialize": bytes})
        )
    assert types.get_type_info_cpp("Histogram").type is types.Histogram


def test_the_same_class_may_be_registered_again() -> None:
    first = types.UniformList("Twice", bytes, parts=1)
    second = types.UniformList("Twice", bytes, parts=2)
    assert types.get_type_info_cpp("Twice").type is second
    assert types.get_type_info(first).serialize([b"a"]) == b"a"


@pytest.mark.parametrize(
    "arguments", [{}, {"size": 1, "parts": 1}, {"size": 0}, {"parts": -1}]
)
def test_uniform_lists_need_one_size(arguments: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="one of size and parts"):
        types.UniformList("Odd", bytes, **arguments)


def test_register_type_checks_the_class() -> None:
    with pytest.raises(ArgumentError, match="NoBack has no deserialize"):
        types.register_type(type("NoBack", (), {"serialize": bytes}))
    members = {"serialize": bytes, "deserialize": bytes, "to_arrow": bytes}
    with pytest.raises(ArgumentError, match="needs arrow_type"):
        types.register_type(type("HalfArrow", (), members))
    with pytest.raises(ArgumentError, match="protobuf class"):
        types.ProtobufType("NoProto", typing.cast(Any, int))


@types.register_type
class Word:
    """A user's type, with Scanner's older names of the two functions."""

    arrow_type = pa.string()

    def serializer(value: Any) -> bytes:
        return value.encode()

    @staticmethod
    def deserializer(data: bytes) -> str:
        return data.decode()

    def to_arrow(value: Any) -> Any:
        return value

    def from_arrow(stored: Any) -> Any:
        return stored


def test_a_users_type() -> None:
    assert copies(Word, "été") == ["été"] * 4
    info = types.get_type_info(Word)
    assert info.name == info.cpp_name == "Word"
    with pytest.raises(
        ElementTypeError, match="type Word cannot serialize int 3: Attr"
    ):
        info.serialize(3)


def test_a_users_type_must_give_bytes() -> None:
    cls = type("GivesText", (), {"serialize": str, "deserialize": str})
    types.register_type(cls)
    with pytest.raises(ElementTypeError, match="must return bytes, got str '3'"):
        types.get_type_info(cls).serialize(3)


MAIN = """
    import pickle, sys, typing
    from apache_beam.internal import cloudpickle
    from beam_scanner import types, protobufs

    class Reading:
        def __init__(self, value): self.value = value

    @types.register_type
    class Degrees:
        def serialize(value): return str(value).encode()
        def deserialize(data): return Reading(float(data))

    infos = [types.get_type_info(Degrees)]
    infos.append(types.get_type_info(types.VariableList('Many', Degrees)))
    sys.stdout.buffer.write(cloudpickle.dumps(infos))
"""


def test_types_of_main_reach_other_processes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MAIN)],
        check=True,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
    )
    degrees, many = pickle.loads(done.stdout)
    assert degrees.deserialize(degrees.serialize(2)).value == 2.0
    assert [r.value for r in many.deserialize(many.serialize([1, 2]))] == [1.0, 2.0]


def test_values_whose_class_has_no_importable_name_are_pickled_by_value() -> None:
    class Local:
        value = 3

    info = types.get_type_info(typing.Any)
    assert info.deserialize(info.serialize(Local())).value == 3


def test_importing_types_loads_nothing_heavy() -> None:
    code = (
        "import sys, importlib.util as u; sys.modules['beam_scanner'] = m = "
        "__import__('types').ModuleType('beam_scanner'); "
        "m.__path__ = [sys.argv[1]]; import beam_scanner.types; "
        "sys.exit(any(n in sys.modules for n in ('av', 'cv2', 'apache_beam')))"
    )
    package = str(ROOT / "beam_scanner")
    subprocess.run([sys.executable, "-c", code, package], check=True, timeout=60)


def test_types_arrive_with_what_uses_them(tmp_path: Path) -> None:
    """A process that was sent a type knows it by its name."""
    program = """
        import pickle, sys
        from beam_scanner import types
        info = pickle.loads(open(sys.argv[1], "rb").read())
        assert types.get_type_info_cpp("Word") == info
        assert types.get_type_info(info.type) is types.get_type_info_cpp("Word")
        print(types.get_type_info_cpp("Word").deserialize(info.serialize("word")))
    """
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        data = cloudpickle.dumps(types.get_type_info(Word))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    (tmp_path / "info").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "info")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "word"
