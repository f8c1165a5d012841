"""Blur: a Gaussian or a box filter."""

from __future__ import annotations

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.ops._opencv import opencv
from beam_scanner.types.element_types import FrameType


@register_python_op()
class Blur(Kernel):
    """Blurs frames; at the borders the picture is mirrored.

    With ``sigma`` above 0 the filter is a Gaussian, with 0 the mean of a
    ``kernel_size`` square. (Scanner took the mean whatever ``sigma`` was.)

    Args:
        config: The kernel's configuration.
        kernel_size: Side of the filter in pixels; odd for a Gaussian.
        sigma: Standard deviation of the Gaussian in pixels, or 0.

    Raises:
        ArgumentError: A size below 1, or an even one for a Gaussian; ``sigma`` below 0.
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> import numpy as np
        >>> blur = Blur(KernelConfig(), kernel_size=3)
        >>> frame = np.zeros((3, 3, 1), np.uint8)
        >>> frame[1, 1] = 90
        >>> int(blur.execute(frame)[1, 1, 0])
        10
    """

    def __init__(
        self, config: KernelConfig, kernel_size: int, sigma: float = 0.0
    ) -> None:
        super().__init__(config)
        if kernel_size < 1 or sigma < 0 or (sigma > 0 and kernel_size % 2 == 0):
            raise ArgumentError(
                "Blur needs a kernel_size of 1 or more, odd where sigma is above 0, and "
                f"a sigma of 0 or more; got kernel_size={kernel_size!r}, "
                f"sigma={sigma!r}"
            )
        self._opencv = opencv("Blur")
        self._size = (int(kernel_size), int(kernel_size))
        self._sigma = float(sigma)

    def execute(self, frame: FrameType) -> FrameType:
        """A frame of the same shape and dtype."""
        blurred: FrameType
        if self._sigma > 0:
            blurred = self._opencv.GaussianBlur(frame, self._size, self._sigma)
        else:
            blurred = self._opencv.blur(frame, self._size)
        return blurred.reshape(frame.shape)
