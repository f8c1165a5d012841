"""Element types: bytes and Parquet columns give back what went in."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from apache_beam.internal import cloudpickle

from beam_scanner import protobufs, types
from beam_scanner.errors import ArgumentError, ElementTypeError, ScannerException
from tests.support.element_values import Matrix, Pair, copies, same_array
from tests.support.folders import ROOT
from tests.support.programs import run_code


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
    run_code(code, package)


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
    assert run_code(program, tmp_path / "info") == "word"
