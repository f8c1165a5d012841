"""Which RGB rows one gets of unusual kinds of video: what docs/video.md has in a table."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import beam_scanner.video
from beam_scanner.video.thread_scheduling import kept_scheduling
from tests.support.hostile import box, replace_box

SIZE = (64, 48)
COLOUR = (120, 90, 200)
BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
PQ, HLG = 16, 18


def filled(pix_fmt: str, values: Sequence[float]) -> av.VideoFrame:
    """A frame whose components have one value each, given as of 8 bits."""
    frame = av.VideoFrame(*SIZE, pix_fmt)
    bits = [component.bits for component in frame.format.components]
    for plane, value, depth in zip(frame.planes, values, bits, strict=True):
        kind = np.dtype(np.uint8 if depth == 8 else "<u2")
        size = plane.buffer_size // kind.itemsize
        level = round(value * (1 << (depth - 8)))
        plane.update(np.full(size, level, kind).tobytes())
    return frame


def write(
    path: Path,
    codec: str,
    pix_fmt: str,
    frames: Sequence[av.VideoFrame],
    matrix: int = 1,
    transfer: int = 2,
    options: dict[str, str] | None = None,
) -> str:
    """Frames of limited range, in a container that the extension tells."""
    with kept_scheduling(), av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        context = stream.codec_context
        context.colorspace, context.color_trc = matrix, transfer
        context.color_range, context.thread_count = 1, 1
        for number, frame in enumerate(frames):
            frame.pts = number
            frame.colorspace, frame.color_range = matrix, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def rows(path: str, count: int, pix_fmt: str) -> list[np.ndarray]:
    """All rows, read backwards."""
    with beam_scanner.video.open(path) as video:
        assert len(video) == count
        assert video.index.pix_fmt == pix_fmt
        found = [video[row] for row in reversed(range(count))][::-1]
    for frame in found:
        assert frame.dtype == np.uint8
        assert frame.shape == (SIZE[1], SIZE[0], 3)
    return found


def converted(weights: tuple[float, float], y: float, u: float, v: float) -> np.ndarray:
    """The formula of the standards, for limited range."""
    red, blue = weights
    luma, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip([r, g, b], 0, 1) * 255


def plain(path: Path, codec: str, pix_fmt: str, decoded: str = "") -> np.ndarray:
    """A row of a video of one colour."""
    values = [*COLOUR, 10][: len(av.VideoFormat(pix_fmt).components)]
    frames = [filled(pix_fmt, values) for _ in range(3)]
    # VP8 has no alpha with hidden references.
    options = {"auto-alt-ref": "0"} if codec == "libvpx" else {}
    path = Path(write(path, codec, pix_fmt, frames, options=options))
    found = rows(str(path), 3, decoded or pix_fmt)
    assert all((frame == found[0][0, 0]).all() for frame in found)
    pixel: np.ndarray = found[0][0, 0].astype(int)
    return pixel


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        *[("libx264", "gray"), ("libx264", "gray10le"), ("libx265", "gray")],
        *[("libx265", "gray10le"), ("libx265", "gray12le")],
    ],
)
def test_without_colour(tmp_path, codec, pix_fmt):
    # FFmpeg's H.264 decoder adds empty chroma.
    decoded = pix_fmt.replace("gray", "yuv420p") if codec == "libx264" else pix_fmt
    pixel = plain(tmp_path / "a.mp4", codec, pix_fmt, decoded)
    assert len(set(pixel.tolist())) == 1
    assert abs(pixel[0] - COLOUR[0]) <= 1


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "decoded"),
    [
        ("libvpx", "yuva420p", "yuv420p"),
        ("libvpx-vp9", "yuva420p", "yuv420p"),
        ("prores_ks", "yuva444p10le", "yuva444p12le"),
        ("ffv1", "yuva420p", ""),
        ("ffv1", "yuva444p16le", ""),
    ],
)
def test_alpha(tmp_path, codec, pix_fmt, decoded):
    pixel = plain(tmp_path / "a.mkv", codec, pix_fmt, decoded)
    # VP8 knows no other matrix.
    weights = BT601 if codec == "libvpx" else BT709
    assert np.abs(pixel - converted(weights, *COLOUR)).max() <= 4


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        *[("libx265", "yuv420p12le"), ("libx265", "yuv444p12le")],
        *[("ffv1", "yuv420p16le"), ("ffv1", "yuv444p16le"), ("ffv1", "yuv422p12le")],
    ],
)
def test_many_bits(tmp_path, codec, pix_fmt):
    pixel = plain(tmp_path / "a.mkv", codec, pix_fmt)
    assert np.abs(pixel - converted(BT709, *COLOUR)).max() <= 4


@pytest.mark.parametrize("codec", ["ffv1", "png"])
def test_gray_and_rgb_of_16_bits(tmp_path, codec):
    gray, kind = ("gray16le", "mkv") if codec == "ffv1" else ("gray16be", "mov")
    picture = np.full((SIZE[1], SIZE[0]), 0x8080, np.uint16)
    frames = [av.VideoFrame.from_ndarray(picture, "gray16le").reformat(format=gray)]
    found = rows(write(tmp_path / f"a.{kind}", codec, gray, frames), 1, gray)
    assert np.abs(found[0].astype(int) - 128).max() <= 1
    if codec == "png":
        colours = np.stack([picture, picture // 2, picture // 4], axis=2)
        frame = av.VideoFrame.from_ndarray(colours, "rgb48le").reformat(
            format="rgb48be"
        )
        path = write(tmp_path / "rgb.mov", codec, "rgb48be", [frame], matrix=0)
        found = rows(path, 1, "rgb48be")
        assert np.abs(found[0].astype(int) - [128, 64, 32]).max() <= 1


@pytest.mark.parametrize(
    ("codec", "made", "decoded", "extension"),
    [
        ("libaom-av1", "gray", "gray", "mkv"),
        ("libaom-av1", "yuv420p12le", "yuv420p12le", "mkv"),
        ("libx265", "yuva420p", "yuv420p", "mp4"),
    ],
)
def test_what_only_another_build_writes(tmp_path, codec, made, decoded, extension):
    other = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    path = str(tmp_path / f"a.{extension}")
    source = f"color=0x785ac8@0.5:s=64x48:r=25,format={made}"
    subprocess.run(
        [
            *(other, "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "5"),
            *("-c:v", codec, "-threads", "1", path),
        ],
        check=True,
        timeout=120,
    )
    expected = np.array([0x78, 0x5A, 0xC8])
    if made == "gray":  # As coded: luma of limited range.
        expected = np.full(3, round(16 + expected @ [0.299, 0.587, 0.114] * 219 / 255))  # type: ignore[call-overload]
    for frame in rows(path, 5, decoded):
        assert np.abs(frame.astype(int) - expected).max() <= 4


@pytest.mark.parametrize("transfer", [PQ, HLG], ids=["hdr10", "hlg"])
def test_high_dynamic_range_is_not_mapped(tmp_path, transfer):
    def pixels(name: str, curve: int) -> list[np.ndarray]:
        frames = [filled("yuv420p10le", (value, 110, 140)) for value in (40, 120, 220)]
        options = {"x265-params": "lossless=1:log-level=none"}
        path = write(
            tmp_path / f"{name}.mp4",
            "libx265",
            "yuv420p10le",
            frames,
            9,
            curve,
            options,
        )
        return rows(path, 3, "yuv420p10le")

    tagged, untagged = pixels("tagged", transfer), pixels("untagged", 2)
    for one, other, value in zip(tagged, untagged, (40, 120, 220), strict=True):
        assert np.array_equal(one, other)
        assert np.abs(one[9, 9] - converted(BT2020, value, 110, 140)).max() <= 4


@pytest.mark.parametrize("profile", [5, 8])
def test_dolby_vision_rows_are_those_of_the_base_layer(tmp_path, profile):
    frames = [filled("yuv420p10le", (value, 110, 140)) for value in (40, 120, 220)]
    options = {"x265-params": "lossless=1:log-level=none"}
    whole = write(
        tmp_path / "base.mp4", "libx265", "yuv420p10le", frames, 9, PQ, options
    )
    data = Path(whole).read_bytes()
    start = box(data, b"hvcC") - 8
    own = data[start : start + int.from_bytes(data[start : start + 4], "big")]
    # Version 1.0, profile, level 1, with metadata and a base layer.
    flags = profile << 9 | 1 << 3 | 0b101
    config = struct.pack(">BBHB19x", 1, 0, flags, (profile == 8) << 4)
    more = struct.pack(">I4s", 8 + len(config), b"dvcC" if profile < 8 else b"dvvC")
    parents = (b"hev1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov")
    path = tmp_path / "dolby.mp4"
    path.write_bytes(replace_box(data, b"hvcC", own + more + config, parents))
    expected = rows(whole, 3, "yuv420p10le")
    for one, other in zip(rows(str(path), 3, "yuv420p10le"), expected, strict=True):
        assert np.array_equal(one, other)


def woven(number: int) -> np.ndarray:
    """A picture whose two fields show different numbers."""
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    picture[::2] = 20 + 10 * number
    picture[1::2] = 25 + 10 * number
    picture[::2, :20], picture[1::2, 20:40] = 200, 200
    return picture


@pytest.mark.parametrize(
    ("codec", "extension", "options"),
    [
        ("libx264", "mp4", {"flags": "+ilme+ildct", "crf": "1"}),
        ("libx264", "ts", {"flags": "+ilme+ildct", "crf": "1", "x264-params": "bff=1"}),
        ("mpeg2video", "mpg", {"flags": "+ilme+ildct", "qmin": "1", "qmax": "1"}),
        ("ffv1", "mkv", {"flags": "+ilme+ildct"}),
    ],
)
def test_interlaced_rows_have_both_fields(tmp_path, codec, extension, options):
    frames = [
        av.VideoFrame.from_ndarray(woven(n)).reformat(format="yuv420p")
        for n in range(9)
    ]
    path = write(tmp_path / f"a.{extension}", codec, "yuv420p", frames, options=options)
    with av.open(path) as container:
        first = next(container.decode(video=0))
        assert first.interlaced_frame or codec == "ffv1"
    for number, frame in enumerate(rows(path, 9, "yuv420p")):
        assert np.abs(frame.astype(int) - woven(number)).max() <= 24, number
