"""Messages by name, and of dicts."""

import pickle
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor

from beam_scanner import protobufs as core
from beam_scanner.errors import ArgumentError
from beam_scanner.protobufs import UnknownMessageError
from beam_scanner.scannerpy import protobufs as module
from beam_scanner.scannerpy.protobufs import (
    ProtobufGenerator,
    analyze_proto,
    protobufs,
    python_to_proto,
)


@pytest.mark.parametrize("place", [module, protobufs, ProtobufGenerator()])
def test_messages_by_name(place: ProtobufGenerator) -> None:
    assert place.BoundingBox is core.BoundingBox
    args = place.StridedRangeSamplerArgs(stride=2, starts=[0, 5], ends=[3, 9])
    assert pickle.loads(pickle.dumps(args)) == args
    # As Scanner writes it: field numbers and wire types are its own.
    assert args.SerializeToString() == b"\x08\x02\x12\x02\x00\x05\x1a\x02\x03\x09"
    assert (place.CPU, place.GPU, place.Bytes, place.Video) == (0, 1, 0, 1)
    with pytest.raises(UnknownMessageError, match=r"MasterStub.*Client has what"):
        place.MasterStub  # noqa: B018


def test_a_generator_can_be_pickled() -> None:
    again = pickle.loads(pickle.dumps(protobufs))
    assert again.Point is core.Point


def test_modules_can_be_added(tmp_path: Path) -> None:
    file = tmp_path / "mine7_pb2.py"
    file.write_text("from beam_scanner.protobufs import Point as Mine7\n")
    protobufs.add_module(str(file))
    assert protobufs.Mine7 is core.Point
    with pytest.raises(ArgumentError, match=r"does not exist: gone_pb2\.py"):
        protobufs.add_module("gone_pb2.py")


def test_fields() -> None:
    found = analyze_proto(core.NetDescriptor)
    assert list(found)[:2] == ["model_path", "model_weights_path"]
    assert found["input_layer_names"] == {
        "type": FieldDescriptor.TYPE_STRING,
        "message": None,
        "repeated": True,
        "fields": None,
    }


def test_dicts_become_serialized_messages() -> None:
    data = python_to_proto("SamplingArgs", {"sampling_args": b"\0\1"})
    assert protobufs.SamplingArgs.FromString(data).sampling_args == b"\0\1"
    box = core.BoundingBox(x1=0.5)
    assert python_to_proto("BoundingBox", box) == box.SerializeToString()
    with pytest.raises(ArgumentError, match="BoundingBox does not have field left"):
        python_to_proto("BoundingBox", {"left": 1})
    with pytest.raises(ArgumentError, match="non-dict type to a protobuf"):
        python_to_proto("BoundingBox", [1])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Protobuf BoundingBox: "):
        python_to_proto("BoundingBox", {"x1": "left"})
