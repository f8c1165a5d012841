"""Where the colour samples of a picture lie."""

from __future__ import annotations

import av
import numpy as np
import pytest

import beam_scanner.video
from beam_scanner.video.index import FrameIndex

SIZE = (32, 16)


def first(path: str) -> np.ndarray:
    with beam_scanner.video.open(path) as video:
        assert len(video) == 3
        frame = video[0]
        assert frame.dtype == np.uint8
        assert frame.shape == (SIZE[1], SIZE[0], 3)
        return frame


def wavy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours that change from pixel to pixel: float[..., 3]."""
    red, green = np.sin(x / 3.1) * np.cos(y / 5), np.sin(x / 3 + y / 4)
    return 128 + 90 * np.stack([red, green, np.cos(y / 3.5 - x / 7)], axis=-1)


def luma_and_colours(rgb: np.ndarray) -> tuple[np.ndarray, ...]:
    red, green, blue = np.moveaxis(rgb, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    colours = ((blue - luma) / 1.772, (red - luma) / 1.402)
    return luma * 219 / 255 + 16, *(c * 224 / 255 + 128 for c in colours)


PLACES = {
    "left": (0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0, 0),
    "top": (0.5, 0),
    "bottomleft": (0, 1),
    "bottom": (0.5, 1),
}


@pytest.mark.parametrize(
    ("codec", "place"),
    # Matroska has no word for the bottom.
    [*(("libx264", p) for p in PLACES), *(("ffv1", p) for p in list(PLACES)[:4])],
)
def test_where_colour_samples_lie(tmp_path, codec, place):
    """Samples at the top or bottom are interpolated from there; others are used."""
    size, (right, down) = (64, 48), PLACES[place]
    y, x = np.mgrid[: size[1], : size[0]].astype(float)
    picture = wavy(x, y)
    coarse = wavy(2 * x[:24, :32] + right, 2 * y[:24, :32] + down)
    planes = [luma_and_colours(picture)[0], *luma_and_colours(coarse)[1:]]
    path = str(tmp_path / "a.mkv")
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        options = {"chroma_sample_location": place}
        lossless = {"x264-params": "qp=0"} if codec == "libx264" else {}
        stream.codec_context.options = options | lossless
        for i in range(3):
            frame = av.VideoFrame(*size, "yuv420p")
            frame.pts = i
            for plane, values in zip(frame.planes, planes, strict=True):
                data = np.zeros((plane.height, plane.line_size), np.uint8)
                data[:, : plane.width] = values.round()
                plane.update(data.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(path) as container:
        plain = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    with beam_scanner.video.open(path) as video:
        assert video.index.interpolated == (down != 0.5)
        shown = video[1].astype(float)
        inside = np.s_[4:-4, 4:-4]
        off = np.sqrt(np.mean((shown - picture)[inside] ** 2))
        if down == 0.5:
            assert np.array_equal(video[1], plain[1])
            assert off < 20
        else:
            assert off < 2
        copy = FrameIndex.from_bytes(video.index.to_bytes())
        assert copy.interpolated == video.index.interpolated


def test_each_chroma_sample_is_used_for_its_pixels(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(3):
            frame = av.VideoFrame(*SIZE, "yuv420p")
            frame.pts = i
            frame.planes[0].update(bytes([120]) * frame.planes[0].buffer_size)
            for plane in frame.planes[1:]:
                ramp = np.resize(
                    np.arange(plane.line_size) * 8 + 64,
                    (plane.height, plane.line_size),
                )
                plane.update(ramp.astype(np.uint8).tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    row = first(str(path))[4].astype(int)
    assert (row[0::2] == row[1::2]).all()
    assert len({tuple(pixel) for pixel in row.tolist()}) >= 12
