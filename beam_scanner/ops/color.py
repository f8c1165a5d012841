"""ConvertColor: frames in another color space."""

from __future__ import annotations

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.ops._opencv import opencv
from beam_scanner.types.element_types import FrameType


@register_python_op()
class ConvertColor(Kernel):
    """Converts colors by the name of an OpenCV constant, given for each stream.

    Frames of a video are RGB, so the names that fit begin with ``COLOR_RGB2``.

    Examples:
        >>> import numpy as np
        >>> from beam_scanner.kernels import KernelConfig
        >>> convert = ConvertColor(KernelConfig())
        >>> convert.new_stream('COLOR_RGB2GRAY')
        >>> convert.execute(np.full((2, 2, 3), 255, np.uint8))[0, 0]
        array([255], dtype=uint8)
    """

    def new_stream(self, conversion: str) -> None:
        """Sets the conversion.

        Args:
            conversion: OpenCV's name of it, such as COLOR_RGB2HSV.

        Raises:
            ArgumentError: OpenCV has no such constant.
            MissingDependencyError: OpenCV is not installed.
        """
        self._opencv = opencv("ConvertColor")
        code = getattr(self._opencv, str(conversion), None)
        if not str(conversion).startswith("COLOR_") or code is None:
            raise ArgumentError(
                f"ConvertColor has no conversion {conversion!r}; use OpenCV's names, "
                "such as 'COLOR_RGB2HSV'"
            )
        self._conversion, self._code = conversion, code

    def execute(self, frame: FrameType) -> FrameType:
        """The converted frame; gray ones are H x W x 1."""
        try:
            converted: FrameType = self._opencv.cvtColor(frame, self._code)
        except self._opencv.error as error:
            raise ArgumentError(
                f"{self._conversion} cannot convert a frame of {frame.dtype} with shape "
                f"{frame.shape}: {error}"
            ) from error
        return converted.reshape(*converted.shape[:2], -1)
