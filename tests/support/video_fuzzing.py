"""Damaged videos, and a check that every row given is one of a linear decode.

A seed chooses a video, what is done to it and where. The file is indexed as it then
is, and its rows are read in several ways. A row may be an error. One that is given
must have the bytes that FFmpeg's decode from the start shows at that time, must not
be marked as damaged there, and must be given by every other way of reading too.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise, takewhile, zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np

from beam_scanner.errors import VideoError
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.index import FrameIndex
from beam_scanner.video.indexing import index_video
from beam_scanner.video.linear import READ_ERRORS
from tests.support.corpus import KINDS, X265, Kind
from tests.support.video_fixtures import numbered_frame

FRAMES = 60
SIZE = (96, 80)


def textured_frame(number: int, size: tuple[int, int]) -> np.ndarray:
    """A numbered frame with detail that moves, so that there are bits to damage."""
    frame = numbered_frame(number, size).astype(np.int16)
    noise = _noise(size)
    shift = number * 3 % size[0]
    frame += np.roll(noise, (shift, number % size[1]), axis=(1, 0))[..., None]
    return frame.clip(0, 255).astype(np.uint8)


@cache
def _noise(size: tuple[int, int]) -> np.ndarray:
    width, height = size
    coarse = np.random.default_rng(0).integers(-30, 30, (height // 4, width // 4))
    return np.kron(coarse, np.ones((4, 4), np.int64)).astype(np.int16)


def _kind(name: str, extension: str, codec: str, **options: object) -> Kind:
    return Kind(name, extension, 0, {"codec": codec, **options})


_LAYERS = f"temporal-layers=3:bframes=4:{X265}"
# More of the codecs in which pictures refer to each other in intricate ways.
FUZZED = [
    *(
        kind
        for kind in KINDS
        if kind.options.get("frames", 50) == 50 and kind.name not in ("h264_intra",)
    ),
    _kind("h264_b3", "mp4", "h264", bframes=3),
    _kind(
        "h264_slices",
        "mp4",
        "h264",
        options={"x264-params": "slices=4:b-pyramid=strict:bframes=3"},
    ),
    _kind("h264_interlaced", "mp4", "h264", options={"x264-params": "interlaced=1"}),
    _kind("h264_open_ts", "ts", "h264", options={"x264-params": "open-gop=1"}),
    _kind("h264_baseline", "mp4", "h264", bframes=0, options={"profile": "baseline"}),
    _kind("hevc_b", "mp4", "hevc", bframes=4),
    _kind("hevc_b_mkv", "mkv", "hevc", bframes=3),
    _kind(
        "hevc_open_mkv",
        "mkv",
        "hevc",
        options={"x265-params": f"open-gop=1:bframes=4:{X265}"},
    ),
    _kind("hevc_layers_mkv", "mkv", "hevc", options={"x265-params": _LAYERS}),
    _kind(
        "hevc_slices",
        "mp4",
        "hevc",
        options={"x265-params": f"slices=2:bframes=2:open-gop=0:{X265}"},
    ),
    _kind("hevc_no_times", "hevc", "hevc"),
    _kind("h264_b3_no_times", "h264", "h264", bframes=3),
    _kind("av1_ivf", "ivf", "av1"),
    _kind("mpeg4_b", "mp4", "mpeg4", bframes=2),
]

# --- damage -------------------------------------------------------------------------


@dataclass
class Video:
    """A file that is whole, and where its packets are."""

    path: Path
    data: bytes
    packets: list[tuple[int, int]]
    keyframes: list[int]


def _flip(video: Video, rng: random.Random) -> bytes:
    data = bytearray(video.data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        data[_somewhere(video, rng)] ^= 1 << rng.randrange(8)
    return bytes(data)


def _flip_header(video: Video, rng: random.Random) -> bytes:
    """Bits near the front of packets, where slices say what they are."""
    data = bytearray(video.data)
    for _ in range(rng.choice([1, 2])):
        start, size = rng.choice(video.packets)
        data[start + rng.randrange(min(size, 16))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _zeros(video: Video, rng: random.Random) -> bytes:
    data = bytearray(video.data)
    place = _somewhere(video, rng)
    length = min(rng.choice([4, 40, 400, 4000]), len(data) - place)
    data[place : place + length] = bytes(length)
    return bytes(data)


def _noise_burst(video: Video, rng: random.Random) -> bytes:
    data = bytearray(video.data)
    place = _somewhere(video, rng)
    length = min(rng.choice([4, 40, 400, 4000]), len(data) - place)
    data[place : place + length] = rng.randbytes(length)
    return bytes(data)


def _anywhere(video: Video, rng: random.Random) -> bytes:
    data = bytearray(video.data)
    data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _cut_tail(video: Video, rng: random.Random) -> bytes:
    return video.data[: rng.randrange(len(video.data) // 4, len(video.data))]


def _cut_head(video: Video, rng: random.Random) -> bytes:
    return video.data[rng.randrange(1, len(video.data) // 2) :]


def _cut_out(video: Video, rng: random.Random) -> bytes:
    place = _somewhere(video, rng)
    return video.data[:place] + video.data[place + rng.choice([1, 188, 376, 1000]) :]


_BOXES = (
    *(b"moov", b"trak", b"edts", b"elst", b"mdia", b"mdhd", b"hdlr", b"minf", b"dinf"),
    *(b"stbl", b"stsd", b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"stts", b"ctts"),
    *(b"stss", b"stsc", b"stsz", b"stco", b"moof", b"traf", b"tfhd", b"tfdt", b"trun"),
    *(b"mdat", b"sdtp", b"mvhd", b"tkhd", b"mfra", b"udta", b"free"),
)
_FEWER_WORDS = 16


def _shorten_box(video: Video, rng: random.Random) -> bytes:
    """A box of an MP4 is less long than it was, or its table; else a length field."""
    data = bytearray(video.data)
    found = [m.start() for m in re.finditer(b"|".join(_BOXES), data)]
    if video.path.suffix not in (".mp4", ".mov") or not found:
        # Sizes and indexes of other containers lie at both ends.
        near = min(400, len(data) // 2)
        place = rng.choice([rng.randrange(near), len(data) - 1 - rng.randrange(near)])
        data[place] = rng.randrange(data[place] + 1)
        return bytes(data)
    at = rng.choice(found)
    field = at + 8 if bytes(data[at : at + 4]).startswith(b"st") else at - 4
    field = rng.choice([field, at - 4])
    old = int.from_bytes(data[field : field + 4], "big")
    new = max(old - rng.choice([1, 4, 8, rng.randrange(1, 8 * _FEWER_WORDS)]), 0)
    data[field : field + 4] = new.to_bytes(4, "big")
    return bytes(data)


def _remove_box(video: Video, rng: random.Random) -> bytes:
    """A box of an MP4 gets a name that nobody knows, such as that of its keyframes."""
    data = bytearray(video.data)
    found = [m.start() for m in re.finditer(b"|".join(_BOXES), data)]
    if video.path.suffix not in (".mp4", ".mov") or not found:
        return _shorten_box(video, rng)
    at = rng.choice(found)
    data[at : at + 4] = b"skip"
    return bytes(data)


def _somewhere(video: Video, rng: random.Random) -> int:
    start, size = rng.choice(video.packets)
    return start + rng.randrange(size)


Packets = list["av.Packet[Any]"]


def _drop(packets: Packets, video: Video, rng: random.Random) -> Packets:
    lost = {rng.randrange(len(packets)) for _ in range(rng.choice([1, 1, 2, 6]))}
    return [packet for i, packet in enumerate(packets) if i not in lost]


def _drop_keyframe(packets: Packets, video: Video, rng: random.Random) -> Packets:
    lost = rng.choice(video.keyframes)
    return [packet for i, packet in enumerate(packets) if i != lost]


def _truncate_group(packets: Packets, video: Video, rng: random.Random) -> Packets:
    ends = [*video.keyframes[1:], len(packets)]
    end = rng.choice(ends)
    start = max(end - rng.randrange(1, 10), 1)
    return packets[:start] + packets[end:]


def _swap(packets: Packets, video: Video, rng: random.Random) -> Packets:
    """Exchanges what two packets hold; their times stay in order."""
    i = rng.randrange(len(packets) - 1)
    j = rng.choice([i + 1, rng.randrange(len(packets))])
    for a, b in ((i, j), (j, i)):
        swapped = av.Packet(bytes(packets[b]))
        old = packets[a]
        swapped.pts, swapped.dts, swapped.time_base = old.pts, old.dts, old.time_base
        swapped.is_keyframe = old.is_keyframe
        if a == i:
            first = swapped
        else:
            packets[j] = swapped
    packets[i] = first
    return packets


BYTE_DAMAGES = {
    "flip": _flip,
    "flip_header": _flip_header,
    "zeros": _zeros,
    "noise": _noise_burst,
    "anywhere": _anywhere,
    "cut_tail": _cut_tail,
    "cut_head": _cut_head,
    "cut_out": _cut_out,
    "shorten_box": _shorten_box,
    "remove_box": _remove_box,
}
PACKET_DAMAGES = {
    "drop": _drop,
    "drop_keyframe": _drop_keyframe,
    "truncate_group": _truncate_group,
    "swap": _swap,
}
DAMAGES = [*BYTE_DAMAGES, *PACKET_DAMAGES]


@cache
def whole_video(name: str, folder: Path) -> Video:
    kind = next(kind for kind in FUZZED if kind.name == name)
    options = {"frames": FRAMES, "size": SIZE, "picture": textured_frame}
    path = folder / f"{name}.{kind.extension}"
    if not path.exists():
        partial = Kind(f"{name}.partial", kind.extension, 0, options | kind.options)
        Path(partial.make(folder)).rename(path)
    with av.open(path) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        places = [(p.pos, p.size) for p in packets if p.pos is not None]
        keyframes = [i for i, p in enumerate(packets) if p.is_keyframe]
    data = path.read_bytes()
    return Video(path, data, places or [(0, len(data))], keyframes)


def _remuxed(video: Video, path: Path, change: Callable[[Packets], Packets]) -> None:
    with av.open(video.path) as source, av.open(path, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = change([p for p in source.demux(video=0) if p.size])
        for packet in packets:
            packet.stream = stream
            target.mux(packet)


def damaged_video(
    name: str, damage: str, rng: random.Random, folder: Path, path: Path
) -> bool:
    """Writes the damaged file; False where this damage cannot be done to it."""
    video = whole_video(name, folder)
    if damage in BYTE_DAMAGES:
        path.write_bytes(BYTE_DAMAGES[damage](video, rng))
        return True
    try:
        _remuxed(video, path, lambda found: PACKET_DAMAGES[damage](found, video, rng))
    except READ_ERRORS:
        return False
    return True


# --- what a linear decode shows ------------------------------------------------------


def _digest(frame: np.ndarray) -> bytes:
    return hashlib.blake2b(frame.tobytes(), digest_size=8).digest()


@dataclass
class Shown:
    """What decoding shows: by time, frames that are not marked, and times of others.

    And these frames in their order.
    """

    clean: dict[int | None, set[bytes]] = field(
        default_factory=lambda: defaultdict(set)
    )
    marked: set[int | None] = field(default_factory=set)
    order: list[bytes] = field(default_factory=list)


MEMORIES = ("used", "kept", "second")
"""What lies in a decoder's memory: its own older frames, nothing, or the same frames
of an earlier pass."""


def linear_decode(path: Path, memory: str) -> Shown:
    """Decodes on over all errors, as players do."""
    shown, kept = Shown(), []
    with suppress(*READ_ERRORS), av.open(path) as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_count = 1
        if memory == "second":
            for _ in _frames(container, stream):
                pass
            container.seek(0, stream=stream)
        for frame in _frames(container, stream):
            _note(shown, frame)
            if memory == "kept":
                kept.append(frame)
    return shown


def _frames(container: Any, stream: Any) -> Iterator[av.VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = stream.codec_context.decode(packet)
        except READ_ERRORS:
            continue
        yield from frames


def _note(shown: Shown, frame: av.VideoFrame) -> None:
    if frame.is_corrupt:
        shown.marked.add(frame.pts)
    else:
        digest = _digest(frame.to_ndarray(format="rgb24"))
        shown.clean[frame.pts].add(digest)
        shown.order.append(digest)


def decode_from_keyframe(path: Path, index: FrameIndex, row: int) -> Shown:
    """What a new decoder shows whose first packet is the row's keyframe."""
    keyframe = np.searchsorted(index.keyframes, row, side="right") - 1
    shown, begun = Shown(), False
    with av.open(path) as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            begun = begun or packet.pts == index.seek_pts[keyframe]
            if not begun:
                continue
            try:
                frames = stream.codec_context.decode(packet)  # type: ignore[attr-defined]
            except READ_ERRORS:
                continue
            for frame in frames:
                _note(shown, frame)
    return shown


def _packets_of(path: Path) -> Iterator[av.Packet[Any]]:
    with suppress(*READ_ERRORS), av.open(path) as container:
        yield from container.demux(container.streams.best("video"))


def _same(packet: av.Packet[Any], old: av.Packet[Any]) -> bool:
    return bytes(packet) == bytes(old)


UNDEFINED, UNHARMED = "undefined", "unharmed"


class Reference:
    """Says whether a frame is what FFmpeg shows.

    There are two cases in which a linear decode is no measure. Damage that decoders
    do not notice may make them show what lay in memory, or use tables of an earlier
    picture, and some carry what they concealed over a keyframe: then what they show
    depends on what they decoded before, and FFmpeg disagrees with itself. And a
    picture to which no other refers may spoil those after it when it is decoded
    damaged, while they are what they were in the whole file when it is left out.
    """

    def __init__(self, path: Path, index: FrameIndex, whole: Path) -> None:
        self._path, self._index, self._whole = path, index, whole
        self._linear = linear_decode(path, "used")
        # Packets behind the first that is not what it was may be shown before it.
        pairs = zip_longest(_packets_of(path), _packets_of(whole))
        same = takewhile(lambda pair: None not in pair and _same(*pair), pairs)
        rest = {packet.pts for packet, _ in same}
        times = [int(pts) for pts in index.pts if int(pts) not in rest]
        self._first_damage = min(times, default=int(index.pts[-1]) + 1)

    def judge(self, row: int, digest: bytes) -> str:
        """'' if it is shown; else what FFmpeg shows in its place."""
        pts = int(self._index.pts[row]) if self._index.timed else None
        if digest in self._linear.clean[pts]:
            return ""
        if pts is None and digest in set(self._linear.order):
            return ""  # Frames have each other's times, or some have none.
        if self.is_undefined(row):
            return UNDEFINED
        if digest in self._unharmed.clean[pts]:
            return UNHARMED
        if pts in self._linear.marked:
            return "is marked as damaged in a linear decode"
        if not self._linear.clean[pts]:
            return "is not shown in a linear decode"
        return "differs from a linear decode"

    def out_of_order(self, digests: Iterable[bytes]) -> bool:
        """Whether frames without times come in another order than they are shown."""
        order = iter(self._linear.order)
        known = set(self._linear.order)
        return not all(digest in order for digest in digests if digest in known)

    def is_undefined(self, row: int) -> bool:
        """Whether what FFmpeg shows depends on what it decoded before."""
        if not self._index.timed:
            return any(s.clean != self._linear.clean for s in self._others)
        ends = [*self._index.keyframes[1:].tolist(), len(self._index)]
        keyframe = int(np.searchsorted(self._index.keyframes, row, side="right")) - 1
        stretch = self._index.pts[
            self._index.keyframes[keyframe] : ends[keyframe]
        ].tolist()
        linear = self._linear.clean
        if any(s.clean[pts] != linear[pts] for s in self._others for pts in stretch):
            return True
        pts = int(self._index.pts[row])
        if pts < self._first_damage:
            return False
        begun = decode_from_keyframe(self._path, self._index, row).clean[pts]
        return bool(begun) and begun != linear[pts]

    @cached_property
    def _others(self) -> list[Shown]:
        return [linear_decode(self._path, memory) for memory in MEMORIES[1:]]

    @cached_property
    def _unharmed(self) -> Shown:
        return linear_decode(self._whole, "used")


# --- the ways of reading --------------------------------------------------------------


def _orders(rows: int, rng: random.Random) -> Iterator[tuple[str, Sequence[int]]]:
    everything = list(range(rows))
    yield "onwards", everything
    yield "backwards", everything[::-1]
    for stride in (2, 3, 7, 13):
        yield f"every {stride}", everything[rng.randrange(stride) :: stride]
    shuffled = everything.copy()
    rng.shuffle(shuffled)
    yield "shuffled", shuffled
    start = rng.randrange(rows)
    yield "a range", everything[start : start + rng.randrange(1, 20)]


Answer = bytes | str
"""A digest, or what the error says."""


def _answers(path: Path, index: FrameIndex, rows: Sequence[int]) -> Iterator[Answer]:
    ascending = all(a < b for a, b in pairwise(rows))
    with VideoDecoder(path, index) as decoder:
        at = 0
        while at < len(rows):
            # A decoder that knows what follows decodes less.
            frames = decoder.read(rows[at:] if ascending else rows[at : at + 1])
            try:
                for frame in frames:
                    at += 1
                    yield _digest(frame)
            except VideoError as error:
                at += 1
                yield str(error)


@dataclass
class Outcome:
    """What came of one seed; ``findings`` must be empty."""

    seed: int
    kind: str
    damage: str
    policy: str
    refused: str = ""
    rows: int = 0
    given: int = 0
    errors: int = 0
    undefined: int = 0
    unharmed: int = 0
    findings: list[str] = field(default_factory=list)


def _compare(
    path: Path, whole: Path, index: FrameIndex, rng: random.Random, out: Outcome
) -> None:
    reference = Reference(path, index, whole)
    seen: dict[int, tuple[str, Answer]] = {}
    out.rows = len(index)
    alone = rng.sample(range(len(index)), min(len(index), 12))
    orders = [("alone", [row]) for row in alone]
    for way, rows in [*_orders(len(index), rng), *orders]:
        for row, answer in zip(rows, _answers(path, index, rows), strict=True):
            first_way, first = seen.setdefault(row, (way, answer))
            if isinstance(answer, str) != isinstance(first, str):
                errors = [a for a in (answer, first) if isinstance(a, str)]
                ways = (first_way, way) if first is errors[0] else (way, first_way)
                out.findings.append(
                    f"row {row} is an error {ways[0]!r}, not {ways[1]!r}: {errors[0]}"
                )
            if isinstance(answer, str):
                out.errors += 1
                if index.verified and not index.is_lost(row):
                    out.findings.append(f"row {row} is not lost, but: {answer}")
                continue
            out.given += 1
            if answer == first and way != first_way:
                continue
            if isinstance(first, str):
                first = answer
            verdict = reference.judge(row, answer)
            out.undefined += verdict == UNDEFINED
            out.unharmed += verdict == UNHARMED
            if verdict not in ("", UNDEFINED, UNHARMED):
                out.findings.append(f"row {row} {way!r} {verdict}")
            if answer != first and not reference.is_undefined(row):
                out.findings.append(f"row {row} {way!r} differs from {first_way!r}")
    given = (seen[row][1] for row in sorted(seen))
    if not index.timed and reference.out_of_order(
        g for g in given if isinstance(g, bytes)
    ):
        out.findings.append("rows are not in the order of a linear decode")


def fuzz(
    seed: int, folder: Path, kinds: Sequence[str] = (), damages: Sequence[str] = ()
) -> Outcome:
    """Does what ``seed`` says, in ``folder``, where whole videos are kept."""
    rng = random.Random(seed)
    name = rng.choice([k.name for k in FUZZED if not kinds or k.name in kinds])
    damage = rng.choice([d for d in DAMAGES if not damages or d in damages])
    policy = rng.choice(["strict", "salvage"])
    video = whole_video(name, folder)
    path = folder / f"damaged-{seed}{video.path.suffix}"
    outcome = Outcome(seed, name, damage, policy)
    try:
        if not damaged_video(name, damage, rng, folder, path):
            outcome.refused = "cannot be made"
            return outcome
        try:
            index = index_video(path, damage=policy)
        except VideoError as error:
            outcome.refused = str(error)
            return outcome
        _compare(path, video.path, index, rng, outcome)
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
    return outcome
