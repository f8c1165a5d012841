"""What documented conversion makes of coded pictures of every kind."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

import beam_scanner.video
from beam_scanner.errors import VideoError

SIZE = (32, 16)
COLOUR = (120, 90, 200)
MATRICES = {
    "unknown": (2, 0.299, 0.114),
    "bt601": (6, 0.299, 0.114),
    "bt709": (1, 0.2126, 0.0722),
    "bt2020": (9, 0.2627, 0.0593),
}


def write(
    path: Path, pix_fmt: str, planes, codec="ffv1", matrix=2, full=False, frames=3
) -> str:
    """Frames whose planes have one value each, or the values given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full else 1
        for i in range(frames):
            frame = av.VideoFrame(*SIZE, pix_fmt)
            for plane, value in zip(frame.planes, planes, strict=True):
                data = np.zeros(plane.buffer_size, np.uint8)
                wide = plane.line_size >= 2 * plane.width
                if wide and "le" in pix_fmt:
                    data = data.view("<u2")
                data[:] = value
                plane.update(data.tobytes())
            frame.pts, frame.colorspace = i, matrix
            frame.color_range = 2 if full else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def first(path: str) -> np.ndarray:
    with beam_scanner.video.open(path) as video:
        assert len(video) == 3
        frame = video[0]
        assert frame.dtype == np.uint8
        assert frame.shape == (SIZE[1], SIZE[0], 3)
        return frame


def converted(colour, red: float, blue: float, full: bool) -> np.ndarray:
    """The formula of the standards."""
    y, u, v = colour
    luma = y / 255 if full else (y - 16) / 219
    u, v = ((c - 128) / (255 if full else 224) for c in (u, v))
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip([r, g, b], 0, 1) * 255


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize(
    ("pix_fmt", "bits"),
    [
        *[("yuv420p", 8), ("yuv422p", 8), ("yuv444p", 8)],
        *[("yuv420p10le", 10), ("yuv422p10le", 10), ("yuv444p12le", 12)],
    ],
)
def test_matrix_range_and_depth(tmp_path, pix_fmt, bits, name, full):
    matrix, red, blue = MATRICES[name]
    planes = [value << (bits - 8) for value in COLOUR]
    path = write(tmp_path / "a.mkv", pix_fmt, planes, matrix=matrix, full=full)
    colour = [plane / (1 << (bits - 8)) for plane in planes]
    expected = converted(colour, red, blue, full)
    assert np.abs(first(path) - expected).max() <= 4


def test_a_matrix_that_cannot_be_converted(tmp_path):
    path = write(tmp_path / "a.mkv", "yuv420p", COLOUR, matrix=8)
    with pytest.raises(VideoError, match=r"yuv420p, colour matrix 8\) cannot be conv"):
        first(path)


@pytest.mark.parametrize(("pix_fmt", "value"), [("gray", 77), ("gray10le", 77 * 4)])
def test_gray_is_the_same_in_all_channels(tmp_path, pix_fmt, value):
    frame = first(write(tmp_path / "a.mkv", pix_fmt, [value], full=True))
    assert (frame == 77).all()


def test_alpha_is_left_out_and_colours_are_as_coded(tmp_path):
    planes = [*COLOUR, 10]
    frame = first(write(tmp_path / "a.mkv", "yuva420p", planes, matrix=6))
    assert np.abs(frame - converted(COLOUR, 0.299, 0.114, False)).max() <= 3


def test_rgb_is_exact(tmp_path):
    picture = np.random.default_rng(3).integers(0, 256, (16, 32, 3), np.uint8)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "bgr0"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert np.array_equal(first(str(path)), picture)


def test_palettes_are_looked_up(tmp_path):
    path = str(tmp_path / "a.gif")
    picture = np.where(np.indices((16, 32)).sum(axis=0)[..., None] // 8 % 2, 255, 0)
    picture = np.repeat(picture, 3, axis=2).astype(np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("gif", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "rgb8"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="rgb8")))
        container.mux(stream.encode(None))
    # Making the palette dithers.
    assert np.abs(first(path).astype(int) - picture).mean() < 8
