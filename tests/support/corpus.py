"""Videos of many kinds, and what FFmpeg's linear decode gives for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from tests.support.folders import ROOT
from tests.support.video_fixtures import make_video

SHARED = ROOT.parent / "shared" / "videos"

X265 = "keyint=12:min-keyint=12:scenecut=0:log-level=none:pools=1:frame-threads=1"
ALT_REF = {
    "auto-alt-ref": "1",
    "lag-in-frames": "16",
    "deadline": "good",
    "cpu-used": "5",
    "b": "100k",
}


@dataclass(frozen=True)
class Kind:
    """How to generate one kind of video, and how many keyframes it has."""

    name: str
    extension: str
    keyframes: int
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, folder: Path) -> str:
        path = folder / f"{self.name}.{self.extension}"
        return make_video(path, **{"frames": 50, **self.options})


def _kind(name: str, extension: str, keyframes: int = 5, **options: Any) -> Kind:
    return Kind(name, extension, keyframes, options)


# 50 frames with a keyframe every 12 have 5 keyframes.
KINDS = [
    _kind("h264", "mp4"),
    _kind("h264_mov", "mov"),
    _kind("h264_mkv", "mkv"),
    _kind("h264_ts", "ts"),
    _kind("h264_flv", "flv"),
    _kind("h264_no_times", "h264", 1),
    _kind("h264_avi", "avi", 1),
    _kind("h264_no_b", "mp4", bframes=0),
    _kind("h264_b16", "mp4", 2, bframes=16, gop=40),
    _kind("h264_intra", "mp4", 50, gop=1),
    _kind("h264_short_gop", "mp4", 25, gop=2),
    _kind("h264_one_key", "mp4", 1, gop=1000),
    _kind("h264_one_frame", "mp4", 1, frames=1),
    _kind("h264_two_frames", "mp4", 1, frames=2),
    _kind("h264_odd_time_base", "mp4", time_base=None, rate=29),
    _kind("h264_open", "mp4", bframes=3, options={"x264-params": "open-gop=1"}),
    _kind("h264_open_mkv", "mkv", bframes=3, options={"x264-params": "open-gop=1"}),
    _kind("h264_refresh", "mp4", 1, options={"x264-params": "intra-refresh=1"}),
    _kind(
        "h264_fragments",
        "mp4",
        container_options={"movflags": "frag_keyframe+empty_moov"},
    ),
    _kind("h264_gray", "mp4", pix_fmt="gray"),
    _kind("h264_422", "mp4", pix_fmt="yuv422p"),
    _kind("h264_444_10", "mp4", pix_fmt="yuv444p10le"),
    _kind("h264_rgb", "mp4", codec="libx264rgb"),
    _kind("hevc", "mp4", codec="hevc"),
    _kind("hevc_mkv", "mkv", codec="hevc"),
    _kind("hevc_ts", "ts", codec="hevc"),
    _kind(
        "hevc_open",
        "mp4",
        codec="hevc",
        options={"x265-params": f"open-gop=1:bframes=4:{X265}"},
    ),
    _kind(
        "hevc_layers",
        "mp4",
        codec="hevc",
        options={"x265-params": f"temporal-layers=3:bframes=4:{X265}"},
    ),
    _kind("vp8", "webm", codec="vp8"),
    _kind("vp8_alt_ref", "webm", 3, codec="vp8", gop=40, options=ALT_REF, frames=100),
    _kind("vp9", "webm", codec="vp9"),
    _kind("vp9_mp4", "mp4", codec="vp9"),
    _kind("vp9_alt_ref", "webm", 3, codec="vp9", gop=40, options=ALT_REF, frames=100),
    _kind("av1", "mp4", codec="av1"),
    _kind("av1_mkv", "mkv", codec="av1"),
    _kind("mpeg4", "mp4", codec="mpeg4"),
    _kind("mpeg4_avi", "avi", codec="mpeg4"),
    _kind("mpeg4_mkv", "mkv", codec="mpeg4"),
    _kind("mpeg2", "mpg", codec="mpeg2video"),
    _kind("mpeg2_ts", "ts", codec="mpeg2video"),
    _kind("mjpeg", "avi", 50, codec="mjpeg"),
    _kind("ffv1", "mkv", codec="ffv1"),
    _kind("prores", "mov", 50, codec="prores_ks"),
]

# The counts are those of the README beside the files.
REAL = {
    "nasa_13013.mp4": 390,
    "nasa_13013_vfr.mp4": 50,
    "nasa_13013_rotated.mp4": 17,
    "test_non_zero_start.mp4": 12,
    "h265_video.mp4": 10,
    "av1_video.mkv": 125,
    "prog_8s_dec_dashinit.mp4": 240,
    "bottle-detection.mp4": 1189,
}


def linear_decode(path: str) -> list[np.ndarray]:
    """All frames of the best stream, as PyAV gives them, turned as they are shown."""
    with av.open(path) as container:
        stream = container.streams.best("video")
        return [
            np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
            for frame in container.decode(stream)
            if isinstance(frame, av.VideoFrame)
        ]


def packed(path: Path) -> Path:
    """MPEG-4 as old AVI files have it: each B-frame in the packet of its P-frame.

    An empty picture stands where it was.
    """
    target = path.with_name(f"packed-{path.name}")
    says_so, picture = b"\0\0\1\xb2DivX503b1393p", b"\0\0\1\xb6"
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        found = [p for p in source.demux(video=0) if p.size]
        datas = [bytes(packet) for packet in found]
        for i in range(1, len(datas)):
            if datas[i][datas[i].index(picture) + 4] >> 6 == 2:
                datas[i - 1] += datas[i]
                datas[i] = picture + b"\x50\x00"
        for i, (packet, data) in enumerate(zip(found, datas, strict=True)):
            moved = av.Packet(data.replace(picture, says_so + picture, not i))
            moved.pts = moved.dts = i
            moved.time_base = Fraction(1, 25)
            moved.is_keyframe = packet.is_keyframe
            moved.stream = stream
            output.mux(moved)
    return target


@cache
def indexed_kind(
    kind_name: str, folder: Path
) -> tuple[str, FrameIndex, list[np.ndarray]]:
    """A video of a kind: its path, its index, and its frames by a linear decode."""
    kind = next(kind for kind in KINDS if kind.name == kind_name)
    path = kind.make(folder)
    return path, index_video(path), linear_decode(path)


def read_and_compare(decoder: VideoDecoder, rows, expected) -> None:
    """Reads rows, and requires the frames of the linear decode."""
    frames = list(decoder.read(rows))
    assert len(frames) == len(rows)
    for row, frame in zip(rows, frames, strict=True):
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
        assert np.array_equal(frame, expected[row]), f"row {row} of {rows}"
