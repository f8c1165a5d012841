"""Libraries become ops: by name, again, built anew, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import protobufs
from beam_scanner.errors import ArgumentError, GraphError, ScannerException
from beam_scanner.kernels import dumps_graph, loads_graph, op_spec, registered_ops
from beam_scanner.kernels.kernel import KernelConfig
from beam_scanner.kernels.native import load_library
from beam_scanner.kernels.op_modules import register_module
from beam_scanner.kernels.register import register_python_op
from beam_scanner.types.element_types import DeviceType
from tests.support.native_libraries import build


def described(folder: Path, **changes: Any) -> Path:
    """A library with one op, described with these changes."""
    op = {
        "name": "Described",
        "inputs": [{"name": "value", "type": "Bytes"}],
        "outputs": [{"name": "out", "type": "Bytes"}],
    }
    text = json.dumps(json.dumps({"ops": [{**op, **changes}]}))
    return build(folder / "described.so", DESCRIPTION=text)


def test_all_ops_of_a_library(native_ops: Path) -> None:
    names = load_library(native_ops)
    assert len(names) == 10
    assert set(names) <= set(registered_ops())
    spec = op_spec("NativeBoth")
    assert (spec.stencil, spec.batch, spec.native) == ((-1, 0), 3, True)
    assert op_spec("NativeAll").variadic
    assert op_spec("NativeWhole").whole_stream
    two = op_spec("NativeTwo")
    assert [port.name for port in two.outputs] == ["copy", "size"]
    assert two.returns_tuple
    assert [port.type_name for port in op_spec("NativeTyped").inputs] == ["Histogram"]


def test_it_may_be_loaded_again_and_from_another_place(
    native_ops: Path, tmp_path: Path
) -> None:
    load_library(native_ops)
    before = op_spec("NativeAdd")
    assert len(load_library(native_ops)) == 10
    load_library(shutil.copy(native_ops, tmp_path / "copy.so"))
    assert register_module(native_ops) is None
    assert op_spec("NativeAdd") is before


def test_one_that_was_built_again_replaces_itself(tmp_path: Path) -> None:
    path = described(tmp_path, doc="One.")
    load_library(path)
    first = op_spec("Described")
    load_library(described(tmp_path, doc="Two."))
    second = op_spec("Described")
    assert (first.kernel.__doc__, second.kernel.__doc__) == ("One.", "Two.")
    assert first.digest != second.digest


def test_a_name_that_is_taken(native_ops: Path, tmp_path: Path) -> None:
    @register_python_op(name="NativeTwo")
    def two(config: Any, x: bytes) -> bytes:
        return x

    words = "Failed to load op library.*NativeTwo twice: by .*two and by native library"
    with pytest.raises(GraphError, match=words):
        load_library(native_ops)
    # None of its ops is registered.
    assert "NativeAdd" not in registered_ops()
    load_library(described(tmp_path))
    (tmp_path / "other").mkdir()
    with pytest.raises(GraphError, match="Described twice"):
        load_library(described(tmp_path / "other", doc="Another."))


def test_files_that_are_no_library(tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"Failed to load op library: .*No such file"
    ):
        load_library(tmp_path / "libnone.so")
    with pytest.raises(ArgumentError, match=r"Failed to load op library: .*directory"):
        load_library(tmp_path)
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(ArgumentError, match=r"text.so: it cannot be opened"):
        load_library(tmp_path / "text.so")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "_x y"}, "is no name"),
        ({"stencil": []}, "stencil of op Described must be a list of one or more"),
        ({"stencil": [0.5]}, "stencil of op Described must be"),
        ({"stencil_edge": "wrap"}, "stencil_edge of op Described must be one of"),
        ({"batch": 0}, "batch of op Described must be 1 or more"),
        ({"unbounded_state": True, "bounded_state": 1}, "cannot have both"),
        ({"whole_stream": True, "batch": 2}, "takes the whole stream"),
        ({"whole_stream": True, "stencil": [0]}, "whole_stream and a stencil"),
        ({"bounded_state": -1}, "must be a number of rows"),
        (
            {"arguments": {"json": [{"name": "batch", "type": "int"}]}},
            "'batch', which every op call takes",
        ),
        (
            {"arguments": {"json": [{"name": "value", "type": "int"}]}},
            "two arguments named 'value'",
        ),
        ({"arguments": {"protobuf": "NoSuchArgs"}}, "give load_op the"),
    ],
)
def test_an_op_that_cannot_be(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ScannerException, match=f"Failed to load op library.*{words}"):
        load_library(described(tmp_path, **changes))
    assert "Described" not in registered_ops()


def test_devices(tmp_path: Path) -> None:
    load_library(described(tmp_path, devices=["gpu"]))
    assert op_spec("Described").devices == (DeviceType.GPU,)


def test_the_file_is_not_needed_any_more(native_ops: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(native_ops, tmp_path / "gone.so"))
    load_library(path)
    spec = op_spec("NativeAdd")
    data = dumps_graph([spec, op_spec("NativeTwo")])
    # Once, however many of its ops are sent.
    assert data.count(native_ops.read_bytes()) == 1
    path.unlink()
    loaded, _ = loads_graph(data)
    assert loaded.digest == spec.digest
    assert loaded.kernel.library is spec.kernel.library
    kernel = loaded.instantiate(KernelConfig(), {"by": 2})
    assert kernel.execute(frame=np.zeros((1, 1), np.uint8)).tolist() == [[2]]


def test_the_digest_is_of_the_content(native_ops: Path, tmp_path: Path) -> None:
    load_library(native_ops)
    before = op_spec("NativeAdd").read()
    assert before.opaque == ()
    other = build(tmp_path / "other.so", NAME='"Renamed"')
    load_library(other)
    load_library(shutil.copy(native_ops, tmp_path / "copy.so"))
    assert op_spec("NativeAdd").digest == before.text


ARGS = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
file = descriptor_pb2.FileDescriptorProto(name='described.proto', syntax='proto3')
args = file.message_type.add(name='DescribedArgs')
for number, name in enumerate(['width', 'height'], 1):
    args.field.add(name=name, number=number, type=5, label=1)
pool = descriptor_pool.Default()
pool.AddSerializedFile(file.SerializeToString())
found = pool.FindMessageTypeByName('DescribedArgs')
DescribedArgs = message_factory.GetMessageClass(found)
"""


def test_arguments_as_a_protobuf(tmp_path: Path) -> None:
    proto = tmp_path / "described_pb2.py"
    proto.write_text(ARGS)
    path = described(tmp_path, arguments={"protobuf": "DescribedArgs"})
    load_library(path, proto)
    spec = op_spec("Described")
    assert [param.name for param in spec.init_params] == ["width", "height"]
    message = spec.kernel.encode.encode({"height": 7})
    assert protobufs.DescribedArgs.FromString(message).height == 7
    with pytest.raises(ArgumentError, match="Protobuf path does not exist"):
        load_library(path, tmp_path / "nope_pb2.py")
