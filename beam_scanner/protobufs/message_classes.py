"""Classes of protobuf messages without generated code."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message


def build_messages(
    file_name: str, package: str, messages: Mapping[str, str], module: str
) -> dict[str, type[Message]]:
    """Makes message classes from a table.

    Args:
        file_name: Of the ``.proto`` file in whose place they stand.
        package: Their package.
        messages: For each its fields as ``name:kind``, separated by spaces, numbered
            from 1 in this order; ``*`` means repeated.
        module: Where the classes are found, so that messages pickle by reference.

    Returns:
        The classes by name.

    Examples:
        >>> table = {'Word': 'text:string places:int32*'}
        >>> made = build_messages('words.proto', 'words', table, 'words')
        >>> list(made['Word'](text='to', places=[1, 5]).places)
        [1, 5]
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
