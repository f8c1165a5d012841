"""``scannerpy.protobufs``: messages, also as ``scanner.types_pb2`` and its like.

The module and its ``protobufs`` are alike: both have the messages of
``beam_scanner.protobufs``, those of files given to ``add_module``, and the arguments of
Scanner's samplers, sources and sinks. Messages between Scanner's servers are not there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from beam_scanner import protobufs as core
from beam_scanner.errors import ArgumentError
from beam_scanner.protobufs import UnknownMessageError as UnknownMessageError

_NUMBERS = {
    **{"CPU": 0, "GPU": 1},
    **{"Bytes": 0, "Video": 1},
    **{"U8": 0, "U16": 1, "F32": 2, "F64": 3},
}
"""Of devices, columns and frames, as messages have them."""

_PLACE = "storage_type:string bucket:string region:string endpoint:string"
_MESSAGES = {
    "StridedSamplerArgs": "stride:int64",
    "StridedRangeSamplerArgs": "stride:int64 starts:int64* ends:int64*",
    "GatherSamplerArgs": "rows:int64*",
    "SpaceNullSamplerArgs": "spacing:int64",
    "SpaceRepeatSamplerArgs": "spacing:int64",
    "StridedPartitionerArgs": "stride:int64 group_size:int64",
    "StridedRangePartitionerArgs": "stride:int64 starts:int64* ends:int64*",
    "SamplingArgs": "sampling_function:string sampling_args:bytes",
    "ColumnEnumeratorArgs": "table_name:string column_name:string",
    "ColumnSourceArgs": f"{_PLACE} load_sparsity_threshold:int32",
    "ColumnElementArgs": "table_id:int32 column_id:int32 row_id:int64",
    "ColumnSinkArgs": _PLACE,
    "ImageEncoderArgs": "format:string",
    "FrameInfo": "shape:int32* type:int32",
    "MachineParameters": (
        "num_cpus:int32 num_load_workers:int32 num_save_workers:int32 gpu_ids:int32*"
    ),
    "PythonArgs": "py_args:bytes",
    "SQLConfig": (
        "hostaddr:string port:int32 dbname:string user:string password:string "
        "adapter:string"
    ),
    "SQLQuery": "fields:string table:string id:string group:string",
}
_built = core.build_messages(
    "beam_scanner/scanner.proto", "scanner.proto", _MESSAGES, __name__
)


class ProtobufGenerator:
    """Messages by name.

    Examples:
        >>> protobufs.Point(x=1.0).x, protobufs.GatherSamplerArgs(rows=[3, 4]).rows
        (1.0, [3, 4])
    """

    def add_module(self, path: str | os.PathLike[str] | ModuleType) -> None:
        """Adds the messages of a compiled ``*_pb2.py`` file.

        Raises:
            ArgumentError: There is no such file, or Python cannot import it.
        """
        add_module(path)

    def __getattr__(self, name: str) -> Any:
        return __getattr__(name)


def add_module(path: str | os.PathLike[str] | ModuleType) -> None:
    """See ``beam_scanner.protobufs.add_module``; a module stands for its file."""
    core.add_module(str(path.__file__) if isinstance(path, ModuleType) else path)


def analyze_proto(proto: type[Message]) -> dict[str, dict[str, Any]]:
    """The fields of a message.

    Returns:
        For each field its ``type`` (of ``FieldDescriptor``), the class of its
        ``message``, whether it is ``repeated``, and the ``fields`` of its message.

    Examples:
        >>> found = analyze_proto(protobufs.GatherSamplerArgs)
        >>> found['rows']['repeated'], found['rows']['message']
        (True, None)
    """

    def fields(descriptor: Any) -> dict[str, dict[str, Any]]:
        return {field.name: described(field) for field in descriptor.fields}

    def described(field: Any) -> dict[str, Any]:
        of = field.message_type
        # Newer releases have a property, and warn of the label.
        repeated = getattr(field, "is_repeated", None)
        if repeated is None:
            repeated = field.label == FieldDescriptor.LABEL_REPEATED
        return {
            "type": field.type,
            "message": None if of is None else __getattr__(of.name),
            "repeated": repeated,
            "fields": None if of is None else fields(of),
        }

    return fields(proto.DESCRIPTOR)


def python_to_proto(proto_name: str, obj: Mapping[str, Any] | Message) -> bytes:
    """A serialized message of a dict, in which other messages are dicts, too.

    Raises:
        UnknownMessageError: There is no such message.
        ArgumentError: It has no such field, or the field another type.

    Examples:
        >>> protobufs.Point.FromString(python_to_proto('Point', {'y': 2.0})).y
        2.0
    """
    made = __getattr__(proto_name)
    if isinstance(obj, made):
        return bytes(obj.SerializeToString())
    if not isinstance(obj, Mapping):
        raise ArgumentError(
            f"Attempted to bind a non-dict type to a protobuf: {proto_name}, {obj!r}"
        )
    unknown = [name for name in obj if name not in made.DESCRIPTOR.fields_by_name]
    if unknown:
        raise ArgumentError(f"Protobuf {proto_name} does not have field {unknown[0]}")
    try:
        return bytes(made(**obj).SerializeToString())
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"Protobuf {proto_name}: {error}") from error


def __getattr__(name: str) -> Any:
    if name in _NUMBERS:
        return _NUMBERS[name]
    if name in _built:
        return _built[name]
    try:
        return getattr(core, name)
    except UnknownMessageError as error:
        raise UnknownMessageError(
            f"{error}, and {', '.join(_built)}. Scanner's servers and their messages do "
            "not exist here: Client has what they were asked for"
        ) from None


protobufs = ProtobufGenerator()
