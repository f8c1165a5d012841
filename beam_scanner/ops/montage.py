"""Montage: the first frames of a stream in one picture."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._resample import resize_frame
from beam_scanner.types.element_types import NULL, FrameType


@register_python_op(unbounded_state=True)
class Montage(Kernel):
    """Arranges ``num_frames`` frames in rows; the last of them gives the picture.

    Row ``num_frames - 1`` is the montage, all other rows are null. Cells have the
    first frame's aspect; cells that are left over are black.

    Args:
        config: The kernel's configuration.
        num_frames: How many frames, from the first of the stream on.
        target_width: Of a cell, in pixels.
        frames_per_row: Cells in a row.

    Raises:
        ArgumentError: One of the three is below 1.

    Examples:
        >>> montage = Montage(
        ...     KernelConfig(), num_frames=3, target_width=4, frames_per_row=2)
        >>> frame = np.full((6, 8, 3), 7, np.uint8)
        >>> [montage.execute(frame) for _ in range(2)]
        [NullElement(), NullElement()]
        >>> montage.execute(frame).shape
        (6, 8, 3)
    """

    gives_nulls: ClassVar[bool] = True

    def __init__(
        self,
        config: KernelConfig,
        num_frames: int,
        target_width: int,
        frames_per_row: int,
    ) -> None:
        super().__init__(config)
        if min(num_frames, target_width, frames_per_row) < 1:
            raise ArgumentError(
                "Montage needs num_frames, target_width and frames_per_row of 1 or "
                f"more, got {num_frames!r}, {target_width!r} and {frames_per_row!r}"
            )
        self._count = num_frames
        self._width = target_width
        self._per_row = frames_per_row
        self.reset()

    def reset(self) -> None:
        """Begins a new picture."""
        self._seen = 0
        self._picture: FrameType | None = None

    def execute(self, frame: FrameType) -> FrameType:
        """The picture on the last of the frames, else null."""
        place = self._seen
        self._seen += 1
        if place >= self._count:
            return cast(FrameType, NULL)
        if self._picture is None:
            self._picture = self._empty(frame)
        height = self._picture.shape[0] // -(-self._count // self._per_row)
        y, x = place // self._per_row * height, place % self._per_row * self._width
        cell = resize_frame(frame, self._width, height, "INTER_LINEAR")
        self._picture[y : y + height, x : x + self._width] = cell
        if self._seen < self._count:
            return cast(FrameType, NULL)
        picture, self._picture = self._picture, None
        return picture

    def _empty(self, frame: FrameType) -> FrameType:
        height = max(frame.shape[0] * self._width // frame.shape[1], 1)
        rows = -(-self._count // self._per_row)
        shape = (rows * height, self._per_row * self._width, frame.shape[2])
        return np.zeros(shape, frame.dtype)
