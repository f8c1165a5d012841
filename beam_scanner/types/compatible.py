"""Whether elements of one type can be read as those of another, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beam_scanner.types.codecs.structured import StructuredCodec
from beam_scanner.types.type_info import ScannerTypeInfo


def reader_as(
    made: ScannerTypeInfo, wanted: ScannerTypeInfo
) -> Callable[[bytes], Any] | None:
    """How serialized elements are read as a type that a consumer declares.

    Args:
        made: The type by which they were serialized.
        wanted: The type to read them as. It may be another one of the same Arrow type:
            an optional one, or a class in another module.

    Returns:
        A function of bytes; None where the types do not go together.

    Examples:
        >>> from beam_scanner.types import get_type_info
        >>> number, perhaps = get_type_info(float), get_type_info(float | None)
        >>> reader_as(number, perhaps)(number.serialize(0.5))
        0.5
        >>> reader_as(number, get_type_info(int)) is None
        True
    """
    if made.name == wanted.name:
        return wanted.deserialize
    codec, to_arrow = wanted.codec, made.to_arrow
    if not isinstance(codec, StructuredCodec) or made.arrow_type != wanted.arrow_type:
        return None
    if isinstance(made.codec, StructuredCodec):
        return wanted.deserialize
    if to_arrow is None:
        return None
    return lambda data: codec.from_arrow(to_arrow(made.deserialize(data)))
