"""What may be odd about a legal file: its packets, its bytes, how it was muxed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av

from beam_scanner.video.bitstream.registry import bitstream
from tests.support import odd_tables
from tests.support.odd_samples import Base

Packets = list["av.Packet[Any]"]


def _copied(packet: av.Packet[Any], data: bytes | None = None) -> av.Packet[Any]:
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


def _stripped(packet: av.Packet[Any], base: Base) -> av.Packet[Any]:
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
