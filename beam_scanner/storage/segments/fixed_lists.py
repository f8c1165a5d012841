"""Lists of a fixed size, and tensors, in Parquet files.

Parquet has only lists of any size: that all are of one size is said by the Arrow
schema that a file carries in its metadata. Arrow cannot read such a file if one of the
lists is null. So columns are written as lists of any size, and the schema, which is
written last, says that they are fixed where none of them is null.
"""

from __future__ import annotations

import base64
from typing import Any

import pyarrow as pa

SCHEMA = "ARROW:schema"
"""Where Parquet files have the Arrow schema, by Arrow's own convention."""


def any_size(kind: Any) -> Any:
    """The type with lists of any size in place of those of a fixed size.

    Examples:
        >>> str(any_size(pa.fixed_shape_tensor(pa.float32(), [3, 4])))
        'list<item: float>'
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        kind = kind.storage_type
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(any_size(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(any_size(kind.key_type), any_size(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, any_size(f.type)) for f in kind])
    return kind


def has_null(array: Any, kind: Any) -> bool:
    """Whether a list that is to be of a fixed size is null.

    Args:
        array: Of type ``any_size(kind)``.
        kind: The type with fixed sizes.
    """
    if isinstance(kind, pa.FixedShapeTensorType) or pa.types.is_fixed_size_list(kind):
        return bool(array.null_count)
    if pa.types.is_list(kind):
        return has_null(array.flatten(), kind.value_type)
    if pa.types.is_map(kind):
        return has_null(array.items, kind.item_type)
    if pa.types.is_struct(kind):
        parts = zip(array.flatten(), kind, strict=True)
        return any(has_null(part, field.type) for part, field in parts)
    return False


def schema_text(schema: Any) -> str:
    """A schema as Parquet files carry it."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()
