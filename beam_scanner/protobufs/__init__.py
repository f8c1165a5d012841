"""Scanner's protobuf messages, and messages that users add.

``BoundingBox``, ``Point``, ``Frame`` and ``NetDescriptor`` have Scanner's names,
field numbers and types, so bytes written by Scanner parse here. They are built
from the table below when this module is imported: no generated code, and so no
tie to one release of the protobuf compiler.

Messages of a user's own compiled ``*_pb2.py`` file become attributes of this module
after :func:`add_module`.

Examples:
    >>> box = BoundingBox(x1=0.1, y1=0.2, x2=0.5, y2=0.6, score=0.9, label=1)
    >>> BoundingBox.FromString(box.SerializeToString()) == box
    True
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast, dataclass_transform

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
)
from google.protobuf.message import Message

from beam_scanner.errors import ArgumentError, ElementTypeError

_FILE = "beam_scanner/types.proto"
_PACKAGE = "beam_scanner"

_MESSAGES = {
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


class UnknownMessageError(ElementTypeError, AttributeError):
    """No protobuf message of that name is known."""


def build_messages(
    file_name: str, package: str, messages: Mapping[str, str], module: str
) -> dict[str, type[Message]]:
    """Message classes that are made without generated code.

    Args:
        file_name: Of the ``.proto`` file in whose place they stand.
        package: Their package.
        messages: For each its fields as ``name:kind``, numbered from 1 in the order in
            which they stand; ``*`` means repeated.
        module: Where the classes are found, so that messages pickle by reference.

    Returns:
        The classes by name.
    """
    field_proto = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name=file_name, package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields.split(), start=1):
            field_name, kind = field.split(":")
            label = "LABEL_REPEATED" if kind.endswith("*") else "LABEL_OPTIONAL"
            message.field.add(
                name=field_name,
                number=number,
                type=field_proto.Type.Value(f"TYPE_{kind.rstrip('*').upper()}"),
                label=field_proto.Label.Value(label),
            )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    built = {}
    for name in messages:
        found = pool.FindMessageTypeByName(f"{package}.{name}")
        built[name] = message_factory.GetMessageClass(found)
        built[name].__module__ = module
    return built


if TYPE_CHECKING:

    @dataclass_transform(kw_only_default=True)
    class _Fields(Message):
        """Its fields are parameters of the constructor."""

    class Frame(_Fields):
        """A decoded frame of Scanner's C++ engine; kept for its wire format."""

        buffer: int = 0
        width: int = 0
        height: int = 0

    class BoundingBox(_Fields):
        """A box with corners (x1, y1) and (x2, y2), in [0, 1] of width and height."""

        x1: float = 0.0
        y1: float = 0.0
        x2: float = 0.0
        y2: float = 0.0
        score: float = 0.0
        track_id: int = 0
        track_score: float = 0.0
        label: int = 0

    class Point(_Fields):
        """A point with a score."""

        x: float = 0.0
        y: float = 0.0
        score: float = 0.0

    class NetDescriptor(Message):
        """What a neural network takes in, as Scanner's Caffe ops describe it."""

        def __init__(self, **fields: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

else:
    globals().update(build_messages(_FILE, _PACKAGE, _MESSAGES, __name__))

_user_modules: dict[str, ModuleType] = {}


def add_module(path: str | os.PathLike[str]) -> None:
    """Makes the messages of a compiled ``*_pb2.py`` file attributes of this module.

    Args:
        path: The file that ``protoc --python_out`` wrote. Adding it twice is harmless.

    Raises:
        ArgumentError: There is no such file, or Python cannot import it.
    """
    file = os.path.abspath(path)
    if not os.path.isfile(file):
        raise ArgumentError(f"Protobuf path does not exist: {os.fspath(path)}")
    if file in _user_modules:
        return
    name = os.path.splitext(os.path.basename(file))[0]
    module = sys.modules.get(name)
    if module is None or getattr(module, "__file__", None) != file:
        try:
            module = load_file(name, file)
        except ArgumentError:
            raise
        except Exception as error:
            message = f"{file!r} could not be imported: {error}"
            raise ArgumentError(message) from error
    _user_modules[file] = module


def load_file(name: str, file: str | os.PathLike[str]) -> ModuleType:
    """Runs a Python file as the module ``name``.

    Where that fails, the module of that name, if there was one, is as before.

    Raises:
        ArgumentError: It is not a Python file.
        BaseException: Whatever the file raises.
    """
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{os.fspath(file)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    previous = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if previous is not None:
            sys.modules[name] = previous
        raise
    return module


def python_to_proto(name: str, fields: Mapping[str, Any]) -> Message:
    """Builds the message called ``name`` from nested dicts and lists.

    Args:
        name: Name of a message of this module or of an added one.
        fields: Values by field name; a nested message is a dict.

    Raises:
        UnknownMessageError: No message is called ``name``.
        ArgumentError: A field does not exist or has a value of another type.

    Examples:
        >>> python_to_proto('Point', {'x': 1.0, 'y': 2.0}).y
        2.0
    """
    message = cast("type[Message]", getattr(sys.modules[__name__], name))()
    try:
        json_format.ParseDict(dict(fields), message)
    except json_format.ParseError as error:
        raise ArgumentError(f"Protobuf {name}: {error}") from error
    return message


def describe(cls: type[Message]) -> tuple[str, tuple[bytes, ...]]:
    """What :func:`message_class` needs to rebuild ``cls`` in another process.

    Returns:
        Its full name, and the serialized files that define it, imports first.
    """
    files: dict[str, bytes] = {}

    def visit(file: Any) -> None:
        for dependency in file.dependencies:
            visit(dependency)
        files.setdefault(file.name, file.serialized_pb)

    descriptor = cls.DESCRIPTOR
    visit(descriptor.file)
    return descriptor.full_name, tuple(files.values())


def message_class(full_name: str, files: Iterable[bytes]) -> type[Message]:
    """The message class ``full_name``, defined from ``files`` where still unknown.

    Examples:
        >>> message_class(*describe(Point)) is Point
        True
    """
    pool = descriptor_pool.Default()
    try:
        descriptor = pool.FindMessageTypeByName(full_name)
    except KeyError:
        for file in files:
            pool.AddSerializedFile(file)
        descriptor = pool.FindMessageTypeByName(full_name)
    return message_factory.GetMessageClass(descriptor)


def __getattr__(name: str) -> Any:
    if not name.startswith("__"):
        for module in _user_modules.values():
            found = getattr(module, name, None)
            if isinstance(found, type) and issubclass(found, Message):
                return found
    raise UnknownMessageError(
        f"No protobuf with name {name}; there are {', '.join(sorted(_MESSAGES))} "
        "and those of files given to protobufs.add_module(path)"
    )


__all__ = [
    "BoundingBox",
    "Frame",
    "NetDescriptor",
    "Point",
    "UnknownMessageError",
    "add_module",
    "python_to_proto",
]
