"""Videos whose pixels say which frame they are.

Each frame is a grid of 5 x 4 cells, bright or dark: 16 bits of the frame number,
two parity bits, one cell that is always bright and one that is always dark. It
survives lossy coding, resizing and a change of colour space, so a test can ask any
decoded frame who it is: ``frame_number(frame) == row``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av
import numpy as np

from beam_scanner.video.thread_scheduling import kept_scheduling

GRID_ROWS, GRID_COLUMNS = 4, 5
MAX_FRAMES = 1 << 16
_ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
}


def _bits(number: int) -> np.ndarray:
    bits = [(number >> i) & 1 for i in range(16)]
    return np.array([1, *bits, sum(bits[::2]) % 2, sum(bits[1::2]) % 2, 0], dtype=bool)


def numbered_frame(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """The frame of that number: uint8[height, width, 3] RGB; ``size`` is (w, h)."""
    if not 0 <= number < MAX_FRAMES:
        raise ValueError(f"frame number {number} is not in [0, {MAX_FRAMES})")
    width, height = size
    rows = np.arange(height) * GRID_ROWS // height
    columns = np.arange(width) * GRID_COLUMNS // width
    bright = _bits(number).reshape(GRID_ROWS, GRID_COLUMNS)[rows][:, columns]
    # The tint moves with the number, so that neighbours differ in every cell.
    tint = np.array([number * 7 % 40, number * 3 % 40, number * 11 % 40])
    frame = np.where(bright[..., None], 200 + tint, 15 + tint)
    return frame.astype(np.uint8)


def numbered_frames(
    frames: int, size: tuple[int, int] = (64, 48)
) -> Iterator[np.ndarray]:
    """Frames 0, 1, ... ``frames`` - 1."""
    return (numbered_frame(i, size) for i in range(frames))


def frame_number(frame: np.ndarray) -> int:
    """Which frame this is, however it was coded or resized.

    Args:
        frame: [height, width] or [height, width, channels], any real dtype.

    Raises:
        ValueError: The picture is no numbered frame, or two of them blended.
    """
    gray = np.asarray(frame, dtype=np.float64)
    if gray.ndim == 3:
        gray = gray.mean(axis=2)
    height, width = gray.shape
    cells = np.empty((GRID_ROWS, GRID_COLUMNS))
    for r in range(GRID_ROWS):
        for c in range(GRID_COLUMNS):
            # The middle third of a cell: its edges ring after lossy coding.
            top, bottom = (r + 1 / 3) / GRID_ROWS, (r + 2 / 3) / GRID_ROWS
            left, right = (c + 1 / 3) / GRID_COLUMNS, (c + 2 / 3) / GRID_COLUMNS
            y0, x0 = int(top * height), int(left * width)
            y1, x1 = max(int(bottom * height), y0 + 1), max(int(right * width), x0 + 1)
            cells[r, c] = gray[y0:y1, x0:x1].mean()
    values = cells.ravel()
    high, low = values[0], values[-1]
    if high - low < 40:
        raise ValueError(f"no numbered frame: bright {high:.0f}, dark {low:.0f}")
    if np.any(np.abs(values - (high + low) / 2) < (high - low) / 6):
        raise ValueError("no numbered frame: some cell is neither bright nor dark")
    bits = values > (high + low) / 2
    number = int(sum(1 << i for i in range(16) if bits[1 + i]))
    if not np.array_equal(bits, _bits(number)):
        raise ValueError("no numbered frame: the parity is wrong")
    return number


def make_video(
    path: str | os.PathLike[str],
    frames: int = 30,
    codec: str = "h264",
    gop: int = 12,
    bframes: int = 2,
    size: tuple[int, int] = (64, 48),
    rate: int | Fraction = 25,
    pix_fmt: str | None = None,
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
    first_number: int = 0,
    picture: Callable[[int, tuple[int, int]], np.ndarray] = numbered_frame,
) -> str:
    """Writes ``frames`` numbered frames and returns the path as text.

    Args:
        path: The extension chooses the container.
        frames: How many frames.
        codec: 'h264', 'hevc', 'vp8', 'vp9', 'av1', or an FFmpeg encoder's name
            ('mpeg4', 'mpeg2video', 'mjpeg', 'ffv1', 'libx264rgb', ...).
        gop: Frames from one keyframe to the next, scene cuts ignored.
        bframes: B-frames in a row, where the codec has them.
        size: (width, height), even for 4:2:0 codecs.
        rate: Frames a second.
        pix_fmt: Default: yuv420p, or what the codec takes in its place.
        pts: Presentation time of each frame, in ``time_base``, for variable rate.
        time_base: Default: one over ``rate``.
        options: More encoder options.
        container_format: Where the extension does not tell.
        container_options: Muxer options, such as ``{'movflags': 'frag_keyframe'}``.
        first_number: Number of the first frame.
        picture: Draws the frame of a number.
    """
    name = _ENCODERS.get(codec, codec)
    base = time_base or Fraction(1) / Fraction(rate)
    with av.open(
        os.fspath(path), "w", format=container_format, options=container_options or {}
    ) as container:
        stream = container.add_stream(name, rate=Fraction(rate))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt or _DEFAULT_PIX_FMT.get(name, "yuv420p")
        stream.codec_context.time_base = base
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {
            **_codec_options(name, gop, bframes),
            **(options or {}),
        }
        if name in ("mpeg4", "mpeg2video"):
            stream.codec_context.max_b_frames = bframes
        if name == "libsvtav1":
            with kept_scheduling():
                stream.codec_context.open()
        for i in range(frames):
            pixels = picture(first_number + i, size)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = i if pts is None else pts[i]
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return os.fspath(path)


_DEFAULT_PIX_FMT = {
    "mjpeg": "yuvj420p",
    "ffv1": "bgr0",
    "libx264rgb": "rgb24",
    "prores_ks": "yuv422p10le",
}


def _codec_options(name: str, gop: int, bframes: int) -> dict[str, str]:
    # Without trees of blocks, which read memory that is not theirs where frames are
    # narrow: equal frames would sometimes give other files.
    if name in ("libx264", "libx264rgb"):
        options = {"preset": "veryfast", "bf": str(bframes), "sc_threshold": "0"}
        return {**options, "mbtree": "0"}
    if name == "libx265":
        params = f"log-level=none:bframes={bframes}:keyint={gop}:min-keyint={gop}"
        params += ":scenecut=0:pools=1:frame-threads=1:open-gop=0:cutree=0"
        return {"preset": "ultrafast", "x265-params": params}
    if name in ("libvpx", "libvpx-vp9"):
        return {"deadline": "realtime", "cpu-used": "8", "b": "500k"}
    if name == "libsvtav1":
        return {"preset": "12", "svtav1-params": "lp=1"}
    if name in ("mpeg4", "mpeg2video"):
        return {"b": "2M"}
    return {}
