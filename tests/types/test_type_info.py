"""What is known of a type, and how it is found."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import typing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from apache_beam.internal import cloudpickle

from beam_scanner import types
from beam_scanner.errors import ArgumentError, ElementTypeError, ScannerException
from tests.support.element_values import copies
from tests.support.folders import ROOT
from tests.support.programs import run_code


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (complex, "`complex`"),
        (set[int], r"`set\[int\]`"),
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


@pytest.mark.slow
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


@pytest.mark.slow
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
