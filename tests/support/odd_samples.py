"""Sound files of every encoder and container of this build, to make odd files of."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.container_formats import FORMAT_WHITELIST
from beam_scanner.video.linear import READ_ERRORS
from beam_scanner.video.packet_scan import is_keyframe
from beam_scanner.video.thread_scheduling import kept_scheduling
from tests.support.video_fixtures import numbered_frame


@dataclass
class Base:
    """A sound file of an encoder and a muxer, and what its packets are.

    ``other`` says that it is coded in another way than most.
    """

    folder: Path
    encoder: str
    muxer: str
    pixels: str
    other: bool = False
    codec: str = ""
    extradata: bytes = b""
    keys: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def make(
        cls,
        folder: Path,
        encoder: str,
        muxer: str,
        pixels: int = 0,
        other: bool = False,
    ) -> Base | None:
        """Writes it if it is not there; None where these do not go together."""
        formats = pixel_formats(encoder)
        base = cls(
            folder, encoder, muxer, formats[min(pixels, len(formats) - 1)], other
        )
        path = base.path
        if not path.exists() and not write_sample(path, base):
            path.unlink(missing_ok=True)
            path.touch()
        if not path.stat().st_size:
            return None
        try:
            readable = {"format_whitelist": FORMAT_WHITELIST}
            with av.open(str(path), options=readable) as container:
                stream = container.streams.video[0]
                base.codec = stream.codec_context.codec.canonical_name
                base.extradata = stream.codec_context.extradata or b""
                headers = bitstream(base.codec, base.extradata)
                base.keys = [
                    i
                    for i, packet in enumerate(container.demux(stream))
                    if packet.size and is_keyframe(packet, headers)
                ] or [0]
        except (*READ_ERRORS, AttributeError):
            return None
        return base

    @property
    def path(self) -> Path:
        name = f"{self.encoder}-{self.pixels}{'-other' * self.other}.{self.muxer}"
        return self.folder / name

    @property
    def prefixed(self) -> bool:
        """Whether NAL units have their length before them."""
        return self.extradata[:1] == b"\1" and self.muxer not in ("h264", "hevc")

    def second(self) -> Base | None:
        """One that is coded in another way."""
        if self.encoder not in _OTHERS or self.other:
            return None
        place = pixel_formats(self.encoder).index(self.pixels)
        return Base.make(self.folder, self.encoder, self.muxer, place, other=True)


# libsvtav1 tells about itself on stderr, for each file.
os.environ.setdefault("SVT_LOG", "1")
FRAMES = 30
SIZES = ((64, 48), (176, 144), (64, 64), (720, 576), (1280, 720))
LARGE = 200_000
USUAL = (
    *("libx264", "libx265", "libvpx", "libvpx-vp9", "libsvtav1", "mpeg4", "mpeg2video"),
    *("mjpeg", "mpeg1video", "h263", "msmpeg4", "wmv2", "prores_ks", "ffv1", "png"),
)
_HARDWARE = ("nvenc", "qsv", "vaapi", "v4l2m2m", "amf", "videotoolbox", "_mf", "vulkan")
# Muxers whose output is not one file with pictures.
_NO_FILES = (
    *("hls", "dash", "segment", "stream_segment", "ssegment", "tee", "fifo", "null"),
    *("rtp", "rtp_mpegts", "rtsp", "sap", "image2", "ffmetadata", "hash"),
    *(
        "framehash",
        "framemd5",
        "framecrc",
        "streamhash",
        "md5",
        "crc",
        "uncodedframecrc",
    ),
    *("mkvtimestamp_v2", "smoothstreaming", "webm_chunk", "webm_dash_manifest", "hds"),
    *("fbdev", "sdl", "sdl2", "xv", "opengl", "caca", "alsa", "oss", "whip"),
)
# Of encoders that take all of them.
_ANY_FORMAT = ("yuv420p", "bgr24", "pal8", "gray", "yuv422p10le", "rgb555le", "bgra")
COMMON = (
    *("mp4", "mov", "matroska", "webm", "avi", "flv", "mpegts", "mpeg", "ogg", "ivf"),
    *("nut", "asf", "mxf", "3gp", "h264", "hevc", "m4v", "mjpeg", "dv", "gif", "apng"),
)


@cache
def encoders() -> tuple[str, ...]:
    """All software video encoders of this build that it can decode again."""
    found = []
    for name in sorted(av.codecs_available):
        if any(part in name for part in _HARDWARE):
            continue
        with suppress(Exception):
            codec = av.Codec(name, "w")
            if codec.type == "video" and (codec.video_formats or name == "rawvideo"):
                av.Codec(codec.canonical_name, "r")
                found.append(name)
    return tuple(found)


@cache
def muxers() -> tuple[str, ...]:
    """All muxers of this build that may write one file with pictures."""
    found = []
    for name in sorted(av.formats_available):
        if name in _NO_FILES:
            continue
        with suppress(Exception):
            if av.format.ContainerFormat(name, "w").is_output:
                found.append(name)
    return tuple(found)


def pixel_formats(encoder: str) -> list[str]:
    """Those of an encoder, the usual one first."""
    found = av.Codec(encoder, "w").video_formats
    formats = [each.name for each in found or ()] or list(_ANY_FORMAT)
    usual = [name for name in ("yuv420p", "yuvj420p", "bgr24") if name in formats]
    return list(dict.fromkeys([*usual, *formats]))


def write_sample(path: Path, base: Base) -> bool:
    """Writes numbered frames; False where these do not go together."""
    for size in SIZES:
        with suppress(*READ_ERRORS, TypeError, OverflowError, NotImplementedError):
            _write(path, base, size)
            return True
    return False


def picture(number: int, size: tuple[int, int], pixels: str) -> av.VideoFrame:
    """The frame of a number; with a colour table where the pixels are indices."""
    rgb = numbered_frame(number, size)
    if pixels != "pal8":
        return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixels)
    table = np.zeros((256, 4), np.uint8)
    table[:, 0] = 255
    table[:, 1:] = np.arange(256)[:, None] // [1, 2, 3]
    indices = rgb.mean(axis=2).astype(np.uint8)
    return av.VideoFrame.from_ndarray((indices, table), format="pal8")  # type: ignore[arg-type]


def _write(path: Path, base: Base, size: tuple[int, int]) -> None:
    encoder, pixels, frames = base.encoder, base.pixels, FRAMES
    count = frames if size[0] * size[1] < LARGE else 6
    options = {"strict": "-2"} | _OPTIONS.get(encoder, {})
    options |= _OTHERS.get(encoder, {}) if base.other else {}
    with av.open(str(path), "w", format=base.muxer) as output:
        stream: Any = output.add_stream(encoder, rate=25)
        context = stream.codec_context
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        context.time_base = Fraction(1, 25)
        context.gop_size = 10
        context.thread_count = 1
        context.options = options
        with kept_scheduling():
            context.open(strict=False)
        for i in range(count):
            frame = picture(i + FRAMES * base.other, size, pixels)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


_OPTIONS = {
    "libx264": {"preset": "veryfast", "bf": "2"},
    "libx265": {
        "preset": "ultrafast",
        "x265-params": "log-level=none:pools=none:frame-threads=1:bframes=2",
    },
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    "libaom-av1": {"cpu-used": "8", "usage": "realtime"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
}

# Settings that give other parameter sets.
_OTHERS = {
    "libx264": {"preset": "veryfast", "bf": "1", "x264-params": "cabac=0:ref=1"},
    "libx265": {
        "preset": "ultrafast",
        "x265-params": "log-level=none:pools=none:frame-threads=1:bframes=1:ctu=16",
    },
    "mpeg2video": {"intra_matrix": ",".join(str(8 + i // 2) for i in range(64))},
    "mpeg1video": {"intra_matrix": ",".join(str(8 + i // 2) for i in range(64))},
    "mpeg4": {"mpeg_quant": "1"},
}
