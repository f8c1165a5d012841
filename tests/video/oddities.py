"""Legal oddities: sound videos as few programs write them.

A seed chooses an encoder and a container of this build, and what is odd about the
file. Reading it in any way must give what FFmpeg's linear decode gives, and no file
may be refused that it gives without an error.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import odd_tables
from av.video.reformatter import VideoReformatter
from video_fixtures import frame_number, make_video, numbered_frame

from beam_scanner.errors import VideoError
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.chroma import EXACT
from beam_scanner.video.container_formats import FORMAT_WHITELIST
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.linear import READ_ERRORS
from beam_scanner.video.packet_scan import is_keyframe
from beam_scanner.video.thread_scheduling import kept_scheduling


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
TRIES = 20
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
    return av.VideoFrame.from_ndarray((indices, table), format="pal8")


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

# --- oddities ------------------------------------------------------------------------

Packets = list[av.Packet]


def _copied(packet: av.Packet, data: bytes | None = None) -> av.Packet:
    made = av.Packet(bytes(packet) if data is None else data)
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
    made.duration, made.is_keyframe = packet.duration, packet.is_keyframe
    return made


def _shift(packets: Packets, by: int) -> None:
    for packet in packets:
        packet.pts = None if packet.pts is None else packet.pts + by
        packet.dts = None if packet.dts is None else packet.dts + by


def plain(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """As the muxer writes it."""
    return packets


def late_clock(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """Times at the edges of 32 and 33 bits, of 90 kHz and of their own ticks."""
    tick = packets[0].time_base
    edge = rng.choice([1 << 31, 1 << 32, 1 << 33, (1 << 32) * 3])
    ticks = int(edge * Fraction(1, 90000) / tick) if rng.random() < 0.7 else edge
    _shift(packets, ticks - rng.randrange(40) * int(Fraction(1, 25) / tick))
    return packets


def uneven(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """Intervals of any length, from one tick to minutes."""
    step = max(int(Fraction(1, 25) / packets[0].time_base), 1)
    times = sorted({p.pts for p in packets if p.pts is not None})
    moved, now = {}, times[0] if times else 0
    for time in times:
        moved[time] = now
        now += rng.choice([1, step, step, 3 * step, 100 * step])
    delay = max(
        (p.pts - p.dts for p in packets if None not in (p.pts, p.dts)), default=0
    )
    order = sorted(moved.values())
    for i, packet in enumerate(packets):
        if packet.pts is not None:
            packet.pts = moved[packet.pts]
            packet.dts = order[i] - delay if i < len(order) else packet.pts
    return packets


def starts_late(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """A piece that begins at a keyframe, with the times that it had."""
    return packets[rng.choice(base.keys) :]


def no_keyframes(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """A piece between two keyframes."""
    edges = [*base.keys, len(packets)]
    begin = rng.randrange(len(base.keys))
    return packets[edges[begin] + 1 : edges[begin + 1]] or packets


def ends_anywhere(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """The last packets are gone."""
    return packets[: rng.randrange(1, len(packets))]


def negative(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """Begins before zero, which makes edit lists where there are such."""
    _shift(packets, -rng.randrange(1, 20) * int(Fraction(1, 25) / packets[0].time_base))
    return packets


def no_pictures(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """Packets that hold a message, a delimiter or parameter sets alone."""
    units = {
        "h264": [b"\x06\x05\x10" + bytes(16) + b"\x80", b"\x09\xf0", b"\x0b"],
        "hevc": [b"\x4e\x01\x05\x10" + bytes(16) + b"\x80", b"\x46\x01\x50"],
    }.get(base.codec)
    if not units:
        return packets
    found = []
    for packet in packets:
        found.append(packet)
        if rng.random() < 0.15:
            unit = rng.choice(units)
            head = len(unit).to_bytes(4, "big") if base.prefixed else b"\0\0\0\1"
            extra = _copied(packet, head + unit)
            extra.is_keyframe = False
            if extra.dts is not None:
                extra.dts += 1
                extra.pts = extra.dts + 1 if rng.random() < 0.5 else packet.pts + 1
            found.append(extra)
    return found


def bad_messages(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """Messages that claim more bytes than they have."""
    unit = {"h264": b"\x06\x04\xc8ABCD\x80", "hevc": b"\x4e\x01\x04\xc8ABCD\x80"}.get(
        base.codec
    )
    if not unit:
        return packets
    head = len(unit).to_bytes(4, "big") if base.prefixed else b"\0\0\0\1"
    often = rng.choice([0.1, 1.0])
    return [
        _copied(p, head + unit + bytes(p)) if rng.random() < often else p
        for p in packets
    ]


def no_flags(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """All packets but the first are called no keyframes; or all are called so."""
    every = rng.random() < 0.3 and len(base.keys) == len(packets)
    for packet in packets[1:]:
        packet.is_keyframe = every
    return packets


_SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}}
_HEADERS = {"mpeg1video": 0xB3, "mpeg2video": 0xB3}


def _stripped(packet: av.Packet, base: Base) -> av.Packet:
    """A packet without parameter sets, or without sequence headers."""
    data = bytes(packet)
    if base.codec in _SETS and not base.prefixed:
        kept = b""
        for unit in data.split(b"\0\0\1")[1:]:
            kind = unit[0] & 31 if base.codec == "h264" else unit[0] >> 1 & 63
            if kind not in _SETS[base.codec]:
                kept += b"\0\0\1" + unit
        return _copied(packet, kept)
    if base.codec in _HEADERS and data[3:4] == b"\xb3":
        at = data.find(b"\0\0\1\xb8")
        return _copied(packet, data[at:]) if at > 0 else packet
    return packet


def sets_once(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """Parameter sets in band, in the first packet alone."""
    return [packets[0], *(_stripped(packet, base) for packet in packets[1:])]


def other_sets(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """A second part that was coded in another way, and says so once."""
    other = base.second()
    if other is None:
        return packets
    found, prefix = sets_once(packets, base, rng), b""
    with av.open(str(other.path)) as container:
        second = [p for p in container.demux(video=0) if p.size]
    if base.prefixed:
        theirs = bitstream(base.codec, other.extradata)
        prefix = theirs.join_sets(theirs.configured_sets())
    step = max(int(Fraction(1, 25) / second[0].time_base), 1)
    last = max(p.pts for p in packets if p.pts is not None)
    first = min(t for p in second for t in (p.pts, p.dts) if t is not None)
    _shift(second, last + step - first)
    second[0] = _copied(second[0], prefix + bytes(second[0]))
    rest = [_stripped(packet, base) for packet in second[1:]]
    return [*found, second[0], *rest]


def same_times(packets: Packets, base: Base, rng: random.Random) -> Packets:
    """Two pictures at one time, where the container takes that."""
    at = rng.randrange(1, len(packets)) if len(packets) > 1 else 0
    if at and None not in (packets[at].pts, packets[at - 1].pts):
        packets[at].pts = packets[at - 1].pts
    return packets


PACKETS: dict[str, Callable[[Packets, Base, random.Random], Packets]] = {
    function.__name__: function
    for function in (
        *(plain, late_clock, uneven, starts_late, no_keyframes, ends_anywhere),
        negative,
        *(no_pictures, bad_messages, no_flags, same_times, sets_once, other_sets),
    )
}


def joined(data: bytes, base: Base, rng: random.Random) -> bytes:
    """Two files, byte by byte."""
    joins = (
        "matroska",
        "webm",
        "mpegts",
        "mpeg",
        "h264",
        "hevc",
        "mjpeg",
        "ogg",
        "m4v",
    )
    return data * rng.choice([2, 3]) if base.muxer in joins else data


def junk_behind(data: bytes, base: Base, rng: random.Random) -> bytes:
    """Text, zeros or noise behind the end, where that is told by the file."""
    ends = ("mp4", "mov", "3gp", "avi")
    if base.muxer not in ends:
        return data
    text = b"\r\nCamera 7; take 3; " * 9
    return data + rng.choice([text, bytes(100), rng.randbytes(64), b"abcdEFGH" * 8])


def unknown_sizes(data: bytes, base: Base, rng: random.Random) -> bytes:
    """Sizes as of a file that was written to a pipe."""
    if data[:4] == b"RIFF":
        size = rng.choice([0, 0xFFFFFFFF])
        return data[:4] + struct.pack("<I", size) + data[8:]
    return data


def no_keyframe_table(data: bytes, base: Base, rng: random.Random) -> bytes:
    """An MP4 without its table of keyframes."""
    return data.replace(b"stss", b"skip") if base.muxer in ("mp4", "mov") else data


def empty_sample(data: bytes, base: Base, rng: random.Random) -> bytes:
    """An MP4 whose last sample has no bytes."""
    at = data.find(b"stsz")
    if at < 0 or data[at + 8 : at + 12] != bytes(4):
        return data
    count = int.from_bytes(data[at + 12 : at + 16], "big")
    last = at + 16 + 4 * (count - 1)
    return data[:last] + bytes(4) + data[last + 4 :]


def edited(data: bytes, base: Base, rng: random.Random) -> bytes:
    """An MP4 whose edit list begins later and ends earlier."""
    at = data.find(b"elst")
    if at < 0 or data[at + 4]:
        return data
    length, start = struct.unpack(">Ii", data[at + 12 : at + 20])
    new = int(length * rng.choice([0.3, 0.6, 1])), max(start, 0) + rng.randrange(9000)
    return data[: at + 12] + struct.pack(">Ii", *new) + data[at + 20 :]


def empty_samples(data: bytes, base: Base, rng: random.Random) -> bytes:
    """An MP4 with samples of no bytes among the others."""
    return odd_tables.with_empty_samples(data, rng) if base.muxer in _MP4 else data


def two_descriptions(data: bytes, base: Base, rng: random.Random) -> bytes:
    """An MP4 whose later samples have a sample description of their own."""
    other = base.second() if base.muxer in _MP4 else None
    if other is None:
        return data
    return odd_tables.with_descriptions(data, other.path.read_bytes(), rng)


def palettes(data: bytes, base: Base, rng: random.Random) -> bytes:
    """An AVI whose colour table changes in it."""
    if (base.muxer, base.pixels) != ("avi", "pal8"):
        return data
    return odd_tables.with_palettes(data, rng)


_MP4 = ("mp4", "mov")
BYTES: dict[str, Callable[[bytes, Base, random.Random], bytes]] = {
    function.__name__: function
    for function in (
        *(joined, junk_behind, unknown_sizes, no_keyframe_table),
        *(empty_sample, edited, empty_samples, two_descriptions, palettes),
    )
}
MUXING = {
    "fragments": {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    "one_frame_fragments": {"movflags": "frag_every_frame+empty_moov"},
    "no_edit_list": {"use_editlist": "0"},
    "live": {"live": "1", "cluster_time_limit": "100"},
    "rare_tables": {"pat_period": "60", "sdt_period": "60"},
    "small_blocks": {"packetsize": "512"},
}
ODDITIES = (*PACKETS, *BYTES, *MUXING)


def write_odd(path: Path, base: Base, oddity: str, rng: random.Random) -> bool:
    """Writes the odd file; False where that cannot be done to it."""
    change = PACKETS.get(oddity, plain)
    options = MUXING.get(oddity, {})
    try:
        with (
            av.open(str(base.path)) as source,
            av.open(
                str(path), "w", format=base.muxer, container_options=options
            ) as out,
        ):
            old = source.streams.video[0]
            stream = out.add_stream_from_template(old, opaque=True)
            packets = [p for p in source.demux(old) if p.size]
            for packet in change(packets, base, rng):
                packet.stream = stream
                out.mux_one(packet)
        if oddity in BYTES:
            path.write_bytes(BYTES[oddity](path.read_bytes(), base, rng))
    except (*READ_ERRORS, TypeError, OverflowError):
        return False
    return True


# --- references and comparison --------------------------------------------------------


@dataclass
class Linear:
    """What decoding from the start gives."""

    sums: list[int] = field(default_factory=list)
    exact: list[int] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    times: list[Fraction | None] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def linear(path: Path, keep: bool = False) -> Linear:
    """Decodes from the start; ``keep`` gives each frame memory of its own."""
    found, kept = Linear(), []
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream: Any = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                found.errors.append("no video")
                return found
            stream.codec_context.thread_count = 1
            for packet in _demuxed(container, stream):
                try:
                    frames = stream.codec_context.decode(packet)
                except READ_ERRORS as error:
                    found.errors.append(str(error))
                    continue
                for frame in frames:
                    kept += [frame] if keep else []
                    shown = np.rot90(
                        frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)
                    )
                    found.sums.append(_sum(shown))
                    found.exact.append(_exact_sum(frame))
                    found.numbers.append(_number(shown))
                    time = None if frame.pts is None else frame.pts * stream.time_base
                    found.times.append(time)
    except READ_ERRORS as error:
        found.errors.append(str(error))
    return found


def _demuxed(container: Any, stream: Any) -> Iterator[Any]:
    for packet in container.demux(stream):
        if packet.size:
            yield packet
    yield None


def _sum(frame: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(frame))


def _exact_sum(frame: Any) -> int:
    """Of a frame whose colours lie between the usual places."""
    rgb = VideoReformatter().reformat(
        frame, format="rgb24", interpolation=EXACT, threads=1
    )
    return _sum(np.rot90(rgb.to_ndarray(), round(frame.rotation / 90)))


def _number(frame: np.ndarray) -> int | None:
    try:
        return frame_number(frame)
    except ValueError:
        return None


def other_build(path: Path, size: tuple[int, int]) -> tuple[list[int | None], str]:
    """What the ffmpeg of another build shows, and its messages."""
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-v", "error", "-nostdin", "-threads", "1", "-i", str(path)]
    command += ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    width, height = size
    data = np.frombuffer(done.stdout, np.uint8)
    whole = len(data) // (width * height * 3)
    frames = data[: whole * width * height * 3].reshape(whole, height, width, 3)
    return [_number(frame) for frame in frames], done.stderr.decode(errors="replace")


@dataclass
class Outcome:
    """What came of one seed; ``findings`` must be empty."""

    seed: int
    encoder: str
    muxer: str
    oddity: str
    skipped: str = ""
    refused: str = ""
    rows: int = 0
    disagrees: str = ""
    findings: list[str] = field(default_factory=list)


def try_seed(
    seed: int, folder: Path, other: bool = False, common: bool = False
) -> Outcome:
    """Does what ``seed`` says, in ``folder``, where samples are kept."""
    rng = random.Random(seed)
    oddity, base = rng.choice(ODDITIES), None
    for _ in range(TRIES):
        encoder = rng.choice(USUAL if rng.random() < 0.5 else encoders())
        muxer = rng.choice(COMMON if common or rng.random() < 0.8 else muxers())
        base = Base.make(folder, encoder, muxer, rng.choice([0, 0, 0, 1, 2, 3, 5, 8]))
        if base is not None:
            break
    outcome = Outcome(seed, encoder, muxer, oddity)
    if base is None:
        outcome.skipped = "these do not go together"
    else:
        try_one(base, outcome, rng, other)
    return outcome


def try_one(base: Base, outcome: Outcome, rng: random.Random, other: bool) -> None:
    """Makes an odd file of a sound one, and reads it."""
    path = base.folder / f"odd-{outcome.seed}.{base.muxer}"
    try:
        if not write_odd(path, base, outcome.oddity, rng):
            outcome.skipped = "cannot be made"
        else:
            compare(path, outcome, rng, other)
    finally:
        path.unlink(missing_ok=True)


def compare(path: Path, outcome: Outcome, rng: random.Random, other: bool) -> None:
    """Reads a file in all ways, and writes down where that is not its linear decode."""
    expected = linear(path)
    if not expected.sums:
        outcome.skipped = "FFmpeg shows nothing"
        return
    if linear(path, keep=True).sums != expected.sums:
        outcome.skipped = "FFmpeg shows what lay in its memory"
        return
    messages = "; ".join(expected.errors)
    try:
        index = index_video(path)
    except VideoError as error:
        outcome.refused = str(error)
        if not messages and other:
            messages = other_build(path, (2, 2))[1]
        if not messages:
            outcome.findings.append(f"refused: {error}")
        return
    outcome.rows = len(index)
    findings = outcome.findings
    if len(index) != len(expected.sums):
        findings.append(f"{len(index)} rows, FFmpeg shows {len(expected.sums)}")
        return
    if index.interpolated:
        expected.sums = expected.exact
    findings += _times(index, expected, outcome.muxer)
    again = index_video(path, verify=True)
    if not np.array_equal(again.pts, index.pts):
        findings.append("verify gives other times")
    findings += _pixels(path, index, expected, rng)
    if other and expected.numbers == list(range(len(expected.numbers))):
        shown, said = other_build(path, (index.width, index.height))
        if shown != expected.numbers and not said:
            outcome.disagrees = f"another build shows {shown}"


def _times(index: FrameIndex, expected: Linear, muxer: str) -> Iterator[str]:
    known = [time for time in expected.times if time is not None]
    if len(known) < len(index):
        return
    own = [int(pts) * index.time_base for pts in index.pts]
    if own != (sorted(known) if muxer == "avi" else known):
        yield f"times {[float(t) for t in own]}, FFmpeg has {[float(t) for t in known]}"
    if index.monotonic != all(a < b for a, b in pairwise(own)):
        yield f"monotonic is {index.monotonic}"


def _pixels(
    path: Path, index: FrameIndex, expected: Linear, rng: random.Random
) -> Iterator[str]:
    rows = list(range(len(index)))
    orders = {"onwards": rows, "backwards": rows[::-1], "strided": rows[1::3]}
    orders["shuffled"] = rng.sample(rows, len(rows))
    for name, order in orders.items():
        ascending = all(a < b for a, b in pairwise(order))
        with VideoDecoder(path, index) as decoder:
            frames = (
                decoder.read(order)
                if ascending
                else (next(decoder.read([row])) for row in order)
            )
            yield from _differences(name, order, frames, expected)
    for row in rng.sample(rows, min(len(rows), 4)):
        with VideoDecoder(path, index) as decoder:
            yield from _differences("alone", [row], decoder.read([row]), expected)


def _differences(
    way: str, order: list[int], frames: Iterator[np.ndarray], expected: Linear
) -> Iterator[str]:
    done = 0
    try:
        for row, frame in zip(order, frames, strict=True):
            if _sum(frame) != expected.sums[row]:
                number = expected.numbers[row]
                yield f"row {row} {way!r} shows {_number(frame)}, FFmpeg {number}"
            done += 1
    except VideoError as error:
        if not expected.errors:
            yield f"row {order[done]} {way!r}: {error}"


__all__ = ["ODDITIES", "encoders", "make_video", "muxers", "try_seed"]
