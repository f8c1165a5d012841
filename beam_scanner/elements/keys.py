"""The keys of rows that leave a graph: ``FrameKey``."""

# No postponed annotations: Beam reads the types of the fields, not strings.

import math
import operator
import struct
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

import apache_beam as beam

from beam_scanner.errors import ArgumentError, ElementTypeError

_HEAD = struct.Struct("<qqd")


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
    # Equal keys must be equal bytes: no negative zero.
    return None if math.isnan(seconds) else seconds + 0.0


@total_ordering
@dataclass(frozen=True, slots=True)
class FrameKey:
    """Names one row of a stream; keys of a stream sort in row order.

    All four fields count where keys are compared and grouped. What comes from
    elsewhere without times, such as labels, is joined by ``(key.stream, key.row)``.

    Attributes:
        stream: Name of the stream.
        group: Slice group; 0 outside slices.
        row: Row number in the stream, or inside a slice in its group.
        pts_seconds: Presentation time; None if unknown (nan becomes None).

    Raises:
        ArgumentError: A field has an impossible value.

    Examples:
        >>> import dataclasses
        >>> key = FrameKey('films/a.mp4', 0, 17, 0.68)
        >>> key < FrameKey('films/a.mp4', 0, 18), key == FrameKey('films/a.mp4', 0, 17)
        (True, False)
        >>> dataclasses.replace(key, row=18)
        FrameKey(stream='films/a.mp4', group=0, row=18, pts_seconds=0.68)
    """

    stream: str
    group: int
    row: int
    pts_seconds: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.stream, str) or not self.stream:
            raise ArgumentError(
                f"stream of a FrameKey must be a string, not empty, got {self.stream!r}"
            )
        put = object.__setattr__
        put(self, "group", _number(self.group, "group"))
        put(self, "row", _number(self.row, "row"))
        put(self, "pts_seconds", _seconds(self.pts_seconds))

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, FrameKey):
            return NotImplemented
        return self._place() < other._place()

    def _place(self) -> tuple[str, int, int, bool, float]:
        time = self.pts_seconds
        return self.stream, self.group, self.row, time is not None, time or 0.0


def _checked(value: Any) -> FrameKey:
    if not isinstance(value, FrameKey):
        raise ElementTypeError(
            f"expected a FrameKey, got {type(value).__name__} {value!r:.60}"
        )
    return value


def _name(data: bytes) -> str:
    # Names made from paths may hold bytes that are not UTF-8.
    return data.decode("utf-8", "surrogatepass")


class FrameKeyCoder(beam.coders.Coder):  # type: ignore[misc]
    """Keys as bytes, equal ones as equal bytes.

    Examples:
        >>> coder = FrameKeyCoder()
        >>> coder.decode(coder.encode(FrameKey('a', 0, 7)))
        FrameKey(stream='a', group=0, row=7, pts_seconds=None)
    """

    def encode(self, value: Any) -> bytes:
        """Key to bytes."""
        key = _checked(value)
        time = math.nan if key.pts_seconds is None else key.pts_seconds
        name = key.stream.encode("utf-8", "surrogatepass")
        return _HEAD.pack(key.group, key.row, time) + name

    def decode(self, encoded: bytes) -> FrameKey:
        """Bytes to key."""
        group, row, time = _HEAD.unpack_from(encoded)
        return FrameKey(_name(encoded[_HEAD.size :]), group, row, time)

    def estimate_size(self, value: Any) -> int:
        """About how many bytes a key takes."""
        return _HEAD.size + len(_checked(value).stream)

    def is_deterministic(self) -> bool:
        """Equal keys are equal bytes."""
        return True

    def to_type_hint(self) -> type[FrameKey]:
        """The type of the elements."""
        return FrameKey


# Pipelines carry coders to workers, by name; so what counts is that the process that
# builds a pipeline has imported this module, as it must have to name the class.
beam.coders.registry.register_coder(FrameKey, FrameKeyCoder)
