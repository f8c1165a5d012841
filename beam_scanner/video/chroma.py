"""Where the colour samples of a picture lie, which PyAV's frames do not say.

Of 4:2:0 pictures swscale uses each colour sample for its four pixels, as if it lay in
their middle. Where it lies beside it, halfway down, as in nearly all files, colours
are half a pixel off, as in all other programs, which nobody sees. Some files say
that it lies in a corner or at the top: there it is worth the time to interpolate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

EXACT = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
)
"""How to convert such pictures: swscale then minds where the samples lie."""

# Of more bits, swscale interpolates always.
_FORMATS = ("yuv420p", "yuvj420p", "nv12", "nv21")
_LOW, _HIGH = 100, 156
_MARGIN = 4


def lies_high_or_low(frame: Any) -> bool:
    """Whether colour samples do not lie halfway down their four pixels.

    Args:
        frame: ``av.VideoFrame``; it is drawn over.

    Returns:
        False where it makes no difference to swscale, whatever the file says.
    """
    name, rows = frame.format.name, frame.height // 4 * 2
    if name not in _FORMATS or rows < _MARGIN or frame.width < _MARGIN:
        return False
    frame.make_writable()
    # Gray above, a colour below: the pixels next to the edge tell how far it is.
    for i, plane in enumerate(frame.planes):
        values = np.full((plane.height, plane.line_size), 128, np.uint8)
        if i:
            values[: rows // 2], values[rows // 2 :] = _LOW, _HIGH
        plane.update(values.tobytes())
    try:
        shown = VideoReformatter().reformat(
            frame, format="rgb24", interpolation=EXACT, threads=1
        )
    except FFmpegError:  # Of a matrix that cannot be converted.
        return False
    red = shown.to_ndarray()[:, frame.width // 2, 0].astype(int)
    above, below = red[rows - 1] - red[0], red[-1] - red[rows]
    return bool(abs(above - below) > (red[-1] - red[0]) // 8)
