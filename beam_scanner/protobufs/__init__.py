"""Scanner's protobuf messages, and messages that users add.

``BoundingBox``, ``Point``, ``Frame`` and ``NetDescriptor`` have Scanner's names,
field numbers and types, so bytes written by Scanner parse here. They are built
from a table (``messages``): no generated code, and so no tie to one release of the
protobuf compiler.

Messages of a user's own compiled ``*_pb2.py`` file become attributes of this module
after ``add_module``.

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
from typing import Any, cast

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.protobufs.message_classes import build_messages as build_messages
from beam_scanner.protobufs.messages import (
    MESSAGES,
    BoundingBox,
    Frame,
    NetDescriptor,
    Point,
)


class UnknownMessageError(ElementTypeError, AttributeError):
    """No protobuf message of that name is known."""


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
    """What ``message_class`` needs to rebuild ``cls`` in another process.

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
        f"No protobuf with name {name}; there are {', '.join(sorted(MESSAGES))} "
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
