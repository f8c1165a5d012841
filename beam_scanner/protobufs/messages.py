"""Scanner's messages, built from a table when this module is imported.

``scripts/reference.py`` writes ``messages.pyi`` from the same table, so that type
checkers and editors know the fields.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_PACKAGE = "beam_scanner"
_FIELD = descriptor_pb2.FieldDescriptorProto

MESSAGES = {
    "Frame": "buffer:int64 width:int32 height:int32",
    "BoundingBox": (
        "x1:float y1:float x2:float y2:float score:float "
        "track_id:int32 track_score:double label:int32"
    ),
    "Point": "x:float y:float score:float",
    "NetDescriptor": (
        "model_path:string model_weights_path:string input_layer_names:string* "
        "output_layer_names:string* input_width:int32 input_height:int32 "
        "mean_colors:float* mean_image:float* mean_width:int32 mean_height:int32 "
        "normalize:bool preserve_aspect_ratio:bool transpose:bool pad_mod:int32 "
        "uses_python:bool"
    ),
}
"""Fields are numbered from 1 in the order in which they stand; '*' means repeated."""

ABOUT = {
    "Frame": "A decoded frame of Scanner's C++ engine; kept for its wire format.",
    "BoundingBox": (
        "A box with corners (x1, y1) and (x2, y2), in [0, 1] of width and height."
    ),
    "Point": "A point with a score.",
    "NetDescriptor": "What a neural network takes in, as Scanner's Caffe ops describe it.",
}
"""What each message is."""


def _define() -> None:
    file = descriptor_pb2.FileDescriptorProto(
        name="beam_scanner/types.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields.split(), start=1):
            field_name, kind = field.split(":")
            label = "LABEL_REPEATED" if kind.endswith("*") else "LABEL_OPTIONAL"
            message.field.add(
                name=field_name,
                number=number,
                type=_FIELD.Type.Value(f"TYPE_{kind.rstrip('*').upper()}"),
                label=_FIELD.Label.Value(label),
            )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


def _class_of(name: str) -> type[Message]:
    found = descriptor_pool.Default().FindMessageTypeByName(f"{_PACKAGE}.{name}")
    cls = message_factory.GetMessageClass(found)
    cls.__module__ = "beam_scanner.protobufs"  # so that messages pickle by reference
    cls.__doc__ = ABOUT[name]
    return cls


_define()
Frame, BoundingBox, Point, NetDescriptor = map(_class_of, MESSAGES)
