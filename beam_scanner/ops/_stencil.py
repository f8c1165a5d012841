"""Checks that ops over two frames share."""

from __future__ import annotations

from collections.abc import Sequence

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.types.element_types import FrameType


def frame_pair(op: str, frames: Sequence[FrameType]) -> tuple[FrameType, FrameType]:
    """The two frames of a window.

    Raises:
        ArgumentError: The stencil does not have two rows.
        ElementTypeError: The frames differ in size.
    """
    if len(frames) != 2:
        raise ArgumentError(
            f"{op} needs a stencil of two rows, such as [0, 1]; got {len(frames)}"
        )
    first, second = frames
    if first.shape != second.shape:
        raise ElementTypeError(
            f"{op} of frames that differ in shape: {first.shape} and {second.shape}"
        )
    return first, second
