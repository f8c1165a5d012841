"""Scanner's messages, and ones that users add."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from beam_scanner import protobufs, types
from beam_scanner.errors import ArgumentError, ScannerException
from tests.support.folders import ROOT

GENERATED = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
_file = descriptor_pb2.FileDescriptorProto(
    name='made_up.proto', package='made_up', syntax='proto3')
_inner = _file.message_type.add(name='Inner')
_inner.field.add(name='word', number=1, type=9, label=1)
_outer = _file.message_type.add(name='Outer')
_outer.field.add(name='inner', number=1, type=11, label=3, type_name='.made_up.Inner')
descriptor_pool.Default().AddSerializedFile(_file.SerializeToString())
Outer = message_factory.GetMessageClass(
    descriptor_pool.Default().FindMessageTypeByName('made_up.Outer'))
Outer.__module__ = __name__
"""


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    file = tmp_path / "made_up_pb2.py"
    file.write_text(GENERATED)
    return file


def test_boxes_have_scanners_wire_format() -> None:
    box = protobufs.BoundingBox(
        x1=1, y1=2, x2=3, y2=4, score=5, track_id=6, track_score=7, label=8
    )
    floats = b"".join(
        bytes([8 * n + 5]) + b
        for n, b in enumerate(
            (b"\0\0\x80\x3f", b"\0\0\0\x40", b"\0\0\x40\x40", b"\0\0\x80\x40",
             b"\0\0\xa0\x40"),
            start=1,
        )
    )  # fmt: skip
    rest = b"\x30\x06" + b"\x39\0\0\0\0\0\0\x1c\x40" + b"\x40\x08"
    assert box.SerializeToString() == floats + rest


@pytest.mark.parametrize("name", ["BoundingBox", "Point", "Frame", "NetDescriptor"])
def test_messages_pickle(name: str) -> None:
    cls = getattr(protobufs, name)
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert pickle.loads(pickle.dumps(cls())) == cls()


def test_misspelt_fields_are_errors() -> None:
    with pytest.raises(ValueError, match="x_1"):
        protobufs.BoundingBox(x_1=3)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match=r"Protobuf Point:.*depth"):
        protobufs.python_to_proto("Point", {"depth": 3})
    with pytest.raises(ArgumentError, match="Protobuf Point"):
        protobufs.python_to_proto("Point", {"x": "far"})


def test_unknown_messages_are_attribute_errors() -> None:
    assert not hasattr(protobufs, "Nothing")
    with pytest.raises(ScannerException, match="No protobuf with name Nothing"):
        protobufs.python_to_proto("Nothing", {})


def test_a_users_file_adds_its_messages(generated: Path) -> None:
    protobufs.add_module(generated)
    protobufs.add_module(str(generated))
    outer = protobufs.python_to_proto("Outer", {"inner": [{"word": "a"}, {}]})
    assert isinstance(outer, protobufs.Outer)
    assert pickle.loads(pickle.dumps(outer)) == outer

    names = types.ProtobufType("MadeUp", protobufs.Outer)
    info = types.get_type_info(names)
    assert str(info.arrow_type) == ("struct<inner: list<item: struct<word: string>>>")
    assert info.from_arrow is not None
    assert info.to_arrow is not None
    assert info.from_arrow(info.to_arrow(outer)) == outer
    code = (
        "import pickle, sys; info = pickle.load(sys.stdin.buffer); "
        "m = info.deserialize(b'\\x0a\\x03\\x0a\\x01a'); "
        "assert m.inner[0].word == 'a', m"
    )
    # Another process has neither the file nor the module.
    shipped = pickle.dumps(types.ScannerTypeInfo(None, "M", info.serialize,
                                                 info.deserialize))  # fmt: skip
    generated.unlink()
    root = ROOT
    subprocess.run(
        [sys.executable, "-c", code], input=shipped, check=True, cwd=root, timeout=60
    )


def test_bad_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Protobuf path does not exist: nowhere"):
        protobufs.add_module("nowhere")
    broken = tmp_path / "broken_pb2.py"
    broken.write_text("import no_such_module")
    with pytest.raises(ArgumentError, match="no_such_module"):
        protobufs.add_module(broken)
    assert "broken_pb2" not in sys.modules
    text = tmp_path / "text_pb2.proto"
    text.write_text("message")
    with pytest.raises(ArgumentError, match="not a Python file"):
        protobufs.add_module(text)


def test_classes_are_rebuilt_from_their_description() -> None:
    for cls in (protobufs.Point, descriptor_pb2.FileDescriptorProto):
        assert protobufs.message_class(*protobufs.describe(cls)) is cls
