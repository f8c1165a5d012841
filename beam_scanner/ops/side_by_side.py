"""SideBySide: several frames in one."""

from __future__ import annotations

import numpy as np

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._resample import resize_frame
from beam_scanner.types.element_types import FrameType


@register_python_op()
class SideBySide(Kernel):
    """Puts the frames of several columns side by side, or one below the other.

    All are scaled to the height of the first (one below the other: to its width), and keep
    their aspect. Where some are gray and others in color, gray is made RGB.

    Args:
        config: The kernel's configuration.
        vertical: Whether they are put one below the other.
        gap: Black pixels between them.

    Raises:
        ArgumentError: The gap is below 0.

    Examples:
        >>> first = np.zeros((4, 6, 3), np.uint8)
        >>> second = np.zeros((8, 8, 3), np.uint8)
        >>> SideBySide(KernelConfig(), gap=2).execute(first, second).shape
        (4, 12, 3)
        >>> SideBySide(KernelConfig(), vertical=True).execute(first, second).shape
        (10, 6, 3)
    """

    def __init__(
        self, config: KernelConfig, vertical: bool = False, gap: int = 0
    ) -> None:
        super().__init__(config)
        if gap < 0:
            raise ArgumentError(f"SideBySide needs a gap of 0 or more, got {gap!r}")
        self._axis, self._gap = (0 if vertical else 1), gap

    def execute(self, *frames: FrameType) -> FrameType:
        """One frame of the dtype of all.

        Raises:
            ElementTypeError: They differ in dtype, or in channels other than gray and RGB.
        """
        first = frames[0]
        channels = max(frame.shape[2] for frame in frames)
        parts: list[FrameType] = []
        for frame in frames:
            if frame.dtype != first.dtype or frame.shape[2] not in (1, channels):
                raise ElementTypeError(
                    "SideBySide expected frames of one dtype and as many channels (or "
                    f"one), got {first.dtype} with shape {first.shape} and {frame.dtype} "
                    f"with shape {frame.shape}"
                )
            if parts and self._gap:
                parts.append(self._black(parts[0]))
            colored = np.broadcast_to(frame, (*frame.shape[:2], channels))
            parts.append(self._scaled(colored, first))
        return np.concatenate(parts, axis=self._axis)

    def _scaled(self, frame: FrameType, like: FrameType) -> FrameType:
        height, width = frame.shape[:2]
        if self._axis == 1:
            size = max(1, round(width * like.shape[0] / height)), like.shape[0]
        else:
            size = like.shape[1], max(1, round(height * like.shape[1] / width))
        return resize_frame(frame, *size, "INTER_AREA")

    def _black(self, like: FrameType) -> FrameType:
        shape = list(like.shape)
        shape[self._axis] = self._gap
        return np.zeros(shape, like.dtype)
