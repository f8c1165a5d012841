"""What a row is called when it leaves a graph: :class:`FrameKey`.

Two keys are equal if they name the same row: stream, slice group and row number
count, the presentation time does not. So rows can be joined with labels that have no
times. The price: **grouping forgets times**. One key stands for all that are equal to
it, and a runner compares keys by their bytes, so after a ``GroupByKey``,
``CoGroupByKey`` or ``CombinePerKey`` by ``FrameKey``, ``pts_seconds`` is None. A time
that is still needed then belongs into the value.
"""

# No postponed annotations: Beam reads the types of the fields, and not from text.

import math
import operator
import struct
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

from beam_scanner.errors import ArgumentError, ElementTypeError

_HEAD = struct.Struct("<qq")
_TIME = struct.Struct("<d")


def _number(value: Any, name: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if number < 0 or number.bit_length() > 63:
        raise ArgumentError(
            f"{name} of a FrameKey must be a whole number from 0 to 2**63 - 1, got "
            f"{value!r}"
        )
    return number


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"pts_seconds of a FrameKey must be a number or None, got {value!r}"
        ) from None
    return None if math.isnan(seconds) else seconds


@dataclass(frozen=True, order=True, slots=True, init=False)
class FrameKey:
    """Names one row of a stream; keys of a stream sort in row order.

    Attributes:
        stream: Name of the stream.
        group: Slice group; 0 outside slices.
        row: Row number in the stream, or inside a slice in its group.
        pts_seconds: Presentation time; None if unknown (nan becomes None). It takes
            no part in comparing, sorting and hashing.

    Raises:
        ArgumentError: A field has an impossible value.

    Example:
        >>> key = FrameKey('films/a.mp4', 0, 17, 0.68)
        >>> key == FrameKey('films/a.mp4', 0, 17), key < FrameKey('films/a.mp4', 0, 18)
        (True, True)
        >>> key.replace(row=18)
        FrameKey(stream='films/a.mp4', group=0, row=18, pts_seconds=0.68)
    """

    stream: str
    group: int
    row: int
    # Not among what the class is made of, as Beam sees it: where the type of a key is
    # not known, Beam encodes the other three, and so groups as for typed keys.
    pts_seconds: float | None = field(default=None, compare=False, init=False)

    def __init__(
        self, stream: str, group: int, row: int, pts_seconds: float | None = None
    ) -> None:
        if not isinstance(stream, str) or not stream:
            raise ArgumentError(
                f"stream of a FrameKey must be a text, not empty, got {stream!r}"
            )
        put = object.__setattr__
        put(self, "stream", stream)
        put(self, "group", _number(group, "group"))
        put(self, "row", _number(row, "row"))
        put(self, "pts_seconds", _seconds(pts_seconds))

    def replace(self, **changes: Any) -> "FrameKey":
        """A key that differs in some fields.

        Args:
            **changes: New values of fields. (``dataclasses.replace`` would leave out
                the time.)
        """
        names = ("stream", "group", "row", "pts_seconds")
        return FrameKey(**{name: getattr(self, name) for name in names} | changes)


def _checked(value: Any) -> FrameKey:
    if not isinstance(value, FrameKey):
        raise ElementTypeError(
            f"expected a FrameKey, got {type(value).__name__} {value!r:.60}"
        )
    return value


def _name(data: bytes) -> str:
    # Names made from paths may hold bytes that were no text.
    return data.decode("utf-8", "surrogatepass")


class FrameKeyCoder(beam.coders.Coder):  # type: ignore[misc]
    """Keys with their times; where Beam groups by keys, it takes the one without."""

    def encode(self, value: Any) -> bytes:
        """Key to bytes."""
        key = _checked(value)
        time = math.nan if key.pts_seconds is None else key.pts_seconds
        name = key.stream.encode("utf-8", "surrogatepass")
        return _HEAD.pack(key.group, key.row) + _TIME.pack(time) + name

    def decode(self, encoded: bytes) -> FrameKey:
        """Bytes to key."""
        start = _HEAD.size + _TIME.size
        group, row = _HEAD.unpack_from(encoded)
        (time,) = _TIME.unpack_from(encoded, _HEAD.size)
        return FrameKey(_name(encoded[start:]), group, row, time)

    def estimate_size(self, value: Any) -> int:
        """About how many bytes a key takes."""
        return _HEAD.size + _TIME.size + len(_checked(value).stream)

    def is_deterministic(self) -> bool:
        """False: equal keys may differ in time."""
        return False

    def as_deterministic_coder(
        self, step_label: str, error_message: str | None = None
    ) -> "GroupingKeyCoder":
        """What keys are grouped by."""
        return GroupingKeyCoder()

    def to_type_hint(self) -> type[FrameKey]:
        """The type of the elements."""
        return FrameKey


class GroupingKeyCoder(FrameKeyCoder):
    """Keys without times, so that equal keys are equal bytes."""

    def encode(self, value: Any) -> bytes:
        """Key to bytes."""
        key = _checked(value)
        name = key.stream.encode("utf-8", "surrogatepass")
        return _HEAD.pack(key.group, key.row) + name

    def decode(self, encoded: bytes) -> FrameKey:
        """Bytes to key."""
        group, row = _HEAD.unpack_from(encoded)
        return FrameKey(_name(encoded[_HEAD.size :]), group, row)

    def is_deterministic(self) -> bool:
        """Equal keys are equal bytes."""
        return True

    def as_deterministic_coder(
        self, step_label: str, error_message: str | None = None
    ) -> "GroupingKeyCoder":
        """This coder."""
        return self


# Pipelines carry coders to workers, by name; so what counts is that the process that
# builds a pipeline has imported this module, as it must have to name the class.
beam.coders.registry.register_coder(FrameKey, FrameKeyCoder)
