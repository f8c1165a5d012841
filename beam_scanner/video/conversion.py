"""Pixels as numpy arrays.

Pixels are ``frame.to_ndarray(format='rgb24')`` of PyAV for every row, however it was
reached: swscale, matrix and range as the file says. Of 8-bit pictures it uses
each colour sample for all of its pixels, which is right where the sample lies in their
middle; see :mod:`beam_scanner.video.chroma` for files in which it lies elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from beam_scanner.errors import VideoError
from beam_scanner.measure.spans import part
from beam_scanner.video import frame_pool
from beam_scanner.video.chroma import EXACT
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.linear import READ_ERRORS

Frame = NDArray[np.uint8]


class FrameConverter:
    """Makes arrays of decoded frames, turned as they are to be shown.

    Args:
        index: The video's index.
        name: What errors call it.
    """

    def __init__(self, index: FrameIndex, name: str) -> None:
        self._index, self._name = index, name
        self._conversion = EXACT if index.interpolated else None
        self._upright = index.crop is None and not (index.mirrored or index.rotation)
        # One reformatter for all frames: to_ndarray alone makes one a frame.
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> Frame:
        """uint8[height, width, 3] of an ``av.VideoFrame``.

        Raises:
            VideoError: FFmpeg cannot convert its colours.
        """
        with part("convert"):
            return self._converted(frame)

    def _converted(self, frame: Any) -> Frame:
        try:
            rgb = self._reformatter.reformat(
                frame, format="rgb24", interpolation=self._conversion, threads=1
            )
        except READ_ERRORS as error:
            raise VideoError(
                f"video {self._name!r}: its pictures ({frame.format.name}, colour "
                f"matrix {int(frame.colorspace)}) cannot be converted to RGB"
            ) from error
        plane = rgb.planes[0]
        shape, strides = (rgb.height, rgb.width, 3), (plane.line_size, 3, 1)
        shown: Frame = np.ndarray(shape, np.uint8, memoryview(plane), 0, strides)
        if not self._upright:
            shown = self._turned(shown)
        height, width, _ = shown.shape
        array = frame_pool.SHARED.empty(height, width)
        array[...] = shown
        return array

    def _turned(self, shown: Frame) -> Frame:
        """A view of what is to be shown of a picture, as it is to be shown."""
        index = self._index
        if index.crop is not None:
            width, height = index.crop
            shown = shown[:height, :width]
        if index.mirrored:
            shown = shown[:, ::-1]
        return np.rot90(shown, index.rotation // 90)
