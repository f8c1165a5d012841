"""Resize: frames at another size."""

from __future__ import annotations

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.ops._resample import check_interpolation, resize_frame
from beam_scanner.types.element_types import FrameType


def target_size(
    frame_width: int,
    frame_height: int,
    width: int,
    height: int,
    min: bool = False,
    preserve_aspect: bool = False,
) -> tuple[int, int]:
    """Width and height of a resized frame.

    Args:
        frame_width: Of the frame as it comes.
        frame_height: Of the frame as it comes.
        width: Wanted; 0 where ``height`` and ``preserve_aspect`` are given.
        height: Wanted; 0 where ``width`` and ``preserve_aspect`` are given.
        min: A frame no larger than the target in both directions stays as it is.
        preserve_aspect: The given one of width and height decides (width if both);
            the other is scaled with it and truncated, to 1 at least.

    Examples:
        >>> target_size(640, 480, 320, 0, preserve_aspect=True)
        (320, 240)
        >>> target_size(640, 480, 1280, 960, min=True)
        (640, 480)
    """
    if preserve_aspect and width == 0:
        width = frame_width * height // frame_height or 1
    elif preserve_aspect:
        height = frame_height * width // frame_width or 1
    if min and frame_width <= width and frame_height <= height:
        return frame_width, frame_height
    return width, height


@register_python_op()
class Resize(Kernel):
    """Resizes frames, as OpenCV does; the size is given for each stream.

    Examples:
        >>> import numpy as np
        >>> from beam_scanner.kernels import KernelConfig
        >>> resize = Resize(KernelConfig())
        >>> resize.new_stream(width=4, preserve_aspect=True)
        >>> resize.execute(np.zeros((6, 8, 3), np.uint8)).shape
        (3, 4, 3)
    """

    def new_stream(
        self,
        width: int = 0,
        height: int = 0,
        min: bool = False,
        preserve_aspect: bool = False,
        interpolation: str = "INTER_LINEAR",
    ) -> None:
        """Sets the size.

        Args:
            width: In pixels; 0 to follow from ``height`` and ``preserve_aspect``.
            height: In pixels; 0 to follow from ``width`` and ``preserve_aspect``.
            min: A frame no larger than the target in both directions stays as it is.
            preserve_aspect: The given one of width and height decides (width if both);
                the other is scaled with it and truncated, to 1 at least.
            interpolation: OpenCV's name: INTER_NEAREST, INTER_LINEAR, INTER_CUBIC,
                INTER_AREA or INTER_LANCZOS4.

        Raises:
            ArgumentError: No size, a negative one, or no such interpolation.
        """
        missing = (width == 0) + (height == 0)
        if width < 0 or height < 0 or missing > (1 if preserve_aspect else 0):
            raise ArgumentError(
                "Resize needs a width and a height above 0, or one of them and "
                f"preserve_aspect=True; got width={width!r}, height={height!r}, "
                f"preserve_aspect={preserve_aspect!r}"
            )
        self._size = (int(width), int(height), bool(min), bool(preserve_aspect))
        self._interpolation = check_interpolation("Resize", interpolation)

    def execute(self, frame: FrameType) -> FrameType:
        """A frame of the same dtype and channels."""
        frame_height, frame_width = frame.shape[:2]
        width, height = target_size(frame_width, frame_height, *self._size)
        return resize_frame(frame, width, height, self._interpolation)
