"""Values as bytes, by their Arrow type alone.

What ``pyarrow.Array.to_pylist`` gives for a type is packed and unpacked: that is how
nested values travel between the ops of a task. Each value is a byte that says whether
there is one, and then: numbers little-endian, strings and bytes with their size, lists
and maps with their length, structs field by field. A list of numbers may also be a
NumPy array, and comes back as one.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

Pack = Callable[[Any, bytearray], None]
Unpack = Callable[[bytes, int], tuple[Any, int]]

_FORMS = {
    pa.bool_(): "<?",
    pa.int8(): "<b",
    pa.int16(): "<h",
    pa.int32(): "<i",
    pa.int64(): "<q",
    pa.uint8(): "<B",
    pa.uint16(): "<H",
    pa.uint32(): "<I",
    pa.uint64(): "<Q",
    pa.float16(): "<e",
    pa.float32(): "<f",
    pa.float64(): "<d",
}
_SIZE = struct.Struct("<Q")
_NONE, _ONE, _ARRAY = 0, 1, 2
_MICROSECOND = timedelta(microseconds=1)


def pack(arrow_type: Any, value: Any) -> bytes:
    """A value as bytes.

    Examples:
        >>> boxes = pa.list_(pa.struct([('x', pa.float32()), ('name', pa.string())]))
        >>> data = pack(boxes, [{'x': 0.5, 'name': 'a'}, None])
        >>> unpack(boxes, data)
        [{'x': 0.5, 'name': 'a'}, None]
    """
    out = bytearray()
    _ways(arrow_type)[0](value, out)
    return bytes(out)


def unpack(arrow_type: Any, data: bytes) -> Any:
    """The value that :func:`pack` was given.

    Raises:
        ValueError: These are not its bytes.
    """
    try:
        value, end = _ways(arrow_type)[1](bytes(data), 0)
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"{len(data)} bytes: {error}") from error
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes too many")
    return value


@functools.lru_cache(maxsize=1024)
def _ways(kind: Any) -> tuple[Pack, Unpack]:
    if isinstance(kind, pa.BaseExtensionType):
        return _ways(kind.storage_type)
    if pa.types.is_null(kind):
        return _present(lambda value, out: None, lambda data, at: (None, at))
    if kind in _FORMS:
        return _numbers(_FORMS[kind])
    if pa.types.is_string(kind):
        return _sized(str.encode, bytes.decode)
    if pa.types.is_binary(kind):
        return _sized(bytes, bytes)
    if pa.types.is_struct(kind):
        return _structs(kind)
    if pa.types.is_map(kind):
        return _maps(kind)
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _lists(kind)
    return _times(kind)


def _present(pack_one: Pack, unpack_one: Unpack) -> tuple[Pack, Unpack]:
    """Puts a byte before each value, which says whether there is one."""

    def put(value: Any, out: bytearray) -> None:
        if value is None:
            out.append(_NONE)
        else:
            out.append(_ONE)
            pack_one(value, out)

    def take(data: bytes, at: int) -> tuple[Any, int]:
        mark = data[at]
        if mark == _ONE:
            return unpack_one(data, at + 1)
        if mark != _NONE:
            raise ValueError(f"mark {mark}")
        return None, at + 1

    return put, take


def _numbers(form: str) -> tuple[Pack, Unpack]:
    one = struct.Struct(form)

    def take(data: bytes, at: int) -> tuple[Any, int]:
        return one.unpack_from(data, at)[0], at + one.size

    return _present(lambda value, out: out.extend(one.pack(value)), take)


def _size(data: bytes, at: int, least: int) -> int:
    """A count of what takes at least so many bytes each; refused if it cannot be."""
    (count,) = _SIZE.unpack_from(data, at)
    if count * least > len(data) - at - _SIZE.size:
        raise ValueError(f"{count} in {len(data) - at} bytes")
    return int(count)


def _sized(
    encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]
) -> tuple[Pack, Unpack]:
    def put(value: Any, out: bytearray) -> None:
        data = encode(value)
        out += _SIZE.pack(len(data))
        out += data

    def take(data: bytes, at: int) -> tuple[Any, int]:
        start = at + _SIZE.size
        stop = start + _size(data, at, 1)
        return decode(data[start:stop]), stop

    return _present(put, take)


def _structs(kind: Any) -> tuple[Pack, Unpack]:
    ways = [(field.name, *_ways(field.type)) for field in kind]

    def put(value: Any, out: bytearray) -> None:
        for name, put_one, _ in ways:
            put_one(value[name], out)

    def take(data: bytes, at: int) -> tuple[Any, int]:
        found = {}
        for name, _, take_one in ways:
            found[name], at = take_one(data, at)
        return found, at

    return _present(put, take)


def _maps(kind: Any) -> tuple[Pack, Unpack]:
    put_key, take_key = _ways(kind.key_type)
    put_item, take_item = _ways(kind.item_type)

    def put(value: Any, out: bytearray) -> None:
        out += _SIZE.pack(len(value))
        for key, item in value:
            put_key(key, out)
            put_item(item, out)

    def take(data: bytes, at: int) -> tuple[Any, int]:
        count, at = _size(data, at, 2), at + _SIZE.size
        found = []
        for _ in range(count):
            key, at = take_key(data, at)
            item, at = take_item(data, at)
            found.append((key, item))
        return found, at

    return _present(put, take)


def _lists(kind: Any) -> tuple[Pack, Unpack]:
    put_item, take_item = _ways(kind.value_type)
    is_number = kind.value_type in _FORMS
    # Not to_pandas_dtype(), which needs pandas.
    empty = pa.array([], kind.value_type) if is_number else None
    dtype = None if empty is None else empty.to_numpy(zero_copy_only=False).dtype

    def put(value: Any, out: bytearray) -> None:
        if value is None:
            out.append(_NONE)
            return
        is_array = isinstance(value, np.ndarray)
        out.append(_ARRAY if is_array else _ONE)
        out += _SIZE.pack(len(value))
        if is_array:
            out += value.tobytes()
        else:
            for item in value:
                put_item(item, out)

    def take(data: bytes, at: int) -> tuple[Any, int]:
        mark, at = data[at], at + 1
        if mark == _NONE:
            return None, at
        if mark == _ARRAY and is_number:
            width = np.dtype(dtype).itemsize
            count, at = _size(data, at, width), at + _SIZE.size
            array = np.frombuffer(data, dtype, count, at)
            return array.copy(), at + count * width
        if mark != _ONE:
            raise ValueError(f"mark {mark}")
        count, at = _size(data, at, 1), at + _SIZE.size
        found = []
        for _ in range(count):
            item, at = take_item(data, at)
            found.append(item)
        return found, at

    return put, take


def _times(kind: Any) -> tuple[Pack, Unpack]:
    """Points and spans of time, all in microseconds but dates, which are days."""
    to_count: Callable[[Any], int]
    of_count: Callable[[int], Any]
    if pa.types.is_date(kind):
        to_count, of_count = date.toordinal, date.fromordinal
    elif pa.types.is_time(kind):
        start = datetime(1, 1, 1)

        def to_count(value: time) -> int:
            return (datetime.combine(start, value) - start) // _MICROSECOND

        def of_count(count: int) -> time:
            return (start + timedelta(microseconds=count)).time()

    elif pa.types.is_duration(kind):

        def to_count(value: timedelta) -> int:
            return value // _MICROSECOND

        def of_count(count: int) -> timedelta:
            return timedelta(microseconds=count)

    elif pa.types.is_timestamp(kind):
        epoch = datetime(1970, 1, 1, tzinfo=None if kind.tz is None else UTC)

        def to_count(value: datetime) -> int:
            return (value - epoch) // _MICROSECOND

        def of_count(count: int) -> datetime:
            return epoch + timedelta(microseconds=count)

    else:
        raise TypeError(f"values of Arrow type {kind} are not packed")
    put, take = _numbers("<q")

    def put_time(value: Any, out: bytearray) -> None:
        put(None if value is None else to_count(value), out)

    def take_time(data: bytes, at: int) -> tuple[Any, int]:
        count, at = take(data, at)
        return (None if count is None else of_count(count)), at

    return put_time, take_time
