"""FrameDifference: how much each sample changed since the frame before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._native import native_op
from beam_scanner.ops._stencil import frame_pair
from beam_scanner.types.element_types import FrameType


@register_python_op(stencil=[-1, 0])
class FrameDifference(Kernel):
    """Gives |b - a| of the window's two frames; row 0 of a stream is black.

    Examples:
        >>> from beam_scanner.kernels import KernelConfig
        >>> dark, bright = np.uint8([[[9]]]), np.uint8([[[12]]])
        >>> FrameDifference(KernelConfig()).execute([bright, dark])
        array([[[3]]], dtype=uint8)
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        ramp = np.arange(1000).astype(np.uint8)
        found = native_op("FrameDifference", _difference, ramp, 3 * ramp)
        self._of_bytes = found or _difference

    def execute(self, frame: Sequence[FrameType]) -> FrameType:
        """A frame of the same shape and dtype.

        Raises:
            ElementTypeError: The frames differ in shape or dtype.
        """
        before, after = frame_pair("FrameDifference", frame)
        if before.dtype != after.dtype:
            raise ElementTypeError(
                f"FrameDifference of {before.dtype} and {after.dtype} frames"
            )
        compute = self._of_bytes if before.dtype == np.uint8 else _difference
        return compute(before, after)


def _difference(before: FrameType, after: FrameType) -> FrameType:
    # Not abs(after - before), which wraps around for unsigned integers.
    return np.asarray(np.maximum(before, after) - np.minimum(before, after))
