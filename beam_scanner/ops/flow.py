"""OpticalFlow: how far each pixel moves to the next frame."""

from __future__ import annotations

from collections.abc import Sequence

from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._opencv import opencv
from beam_scanner.ops._stencil import frame_pair
from beam_scanner.types.element_types import FrameType


@register_python_op(stencil=[0, 1])
class OpticalFlow(Kernel):
    """Dense flow after Farneback, between the two frames of the window.

    Parameters as in Scanner: pyramid scale 0.5, 3 levels, window 15, 3 iterations,
    neighborhood 5 with sigma 1.2.

    Raises:
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> import numpy as np
        >>> flow = OpticalFlow(KernelConfig())
        >>> still = np.zeros((32, 48, 3), np.uint8)
        >>> result = flow.execute([still, still])
        >>> result.shape, result.dtype
        ((32, 48, 2), dtype('float32'))
    """

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        self._opencv = opencv("OpticalFlow")

    def execute(self, frame: Sequence[FrameType]) -> FrameType:
        """H x W x 2 float32: pixels to the right, pixels down."""
        first, second = frame_pair("OpticalFlow", frame)
        flow: FrameType = self._opencv.calcOpticalFlowFarneback(
            self._gray(first), self._gray(second), None, 0.5, 3, 15, 3, 5, 1.2, 0
        )
        return flow

    def _gray(self, frame: FrameType) -> FrameType:
        if frame.shape[2] == 1:
            return frame[:, :, 0]
        gray: FrameType = self._opencv.cvtColor(frame, self._opencv.COLOR_RGB2GRAY)
        return gray
