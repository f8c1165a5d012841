"""How many pictures a packet holds, read from its headers.

Containers have packets that hold none: a message alone, parameter sets alone, a frame
that is decoded and never shown. Their times are no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from beam_scanner.video.bitstream.h264 import Bits
from beam_scanner.video.bitstream.packets import length_size, parameter_sets

UNKNOWN = -1
"""Only decoding tells how many pictures a packet holds."""

_SLICE, _PARTITION, _IDR = 1, 2, 5
_HEVC_VCL, _HEVC_BLA, _HEVC_IDR, _HEVC_IRAP = 31, (16, 17, 18), (19, 20), range(16, 24)
_HEVC_ENDS, _HEVC_PPS = (36, 37), 34
# Messages, parameter sets, delimiters, ends, fillers.
_NO_SLICES, _HEVC_NO_SLICES = range(6, 14), range(32, 41)
_CODES = (b"\0\0\1", b"\0\0\0")
_SMALLEST_MPEG4 = 21
_SMALLEST_DNXHD = 640

Counter = Callable[[memoryview], int]


def picture_counter(codec: str, extradata: bytes) -> Counter | None:
    r"""A function of a packet's bytes that says how many pictures it holds.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: The stream's decoder configuration.

    Returns:
        The function: it returns a number, :data:`UNKNOWN` where the packet does not
        tell. Two fields are one picture. None for codecs whose packets are not read.

    Example:
        >>> count = picture_counter('h264', b'')
        >>> count(memoryview(b'\0\0\1\x65\x88')), count(memoryview(b'\0\0\1\x06\x05'))
        (1, 0)
        >>> count = picture_counter('vp9', b'')
        >>> count(memoryview(b'\x86')), count(memoryview(b'\x84'))
        (1, 0)
    """
    if codec == "h264":
        return _h264_counter(length_size(codec, extradata))
    if codec == "hevc":
        return _hevc_counter(length_size(codec, extradata), extradata)
    if codec == "av1":
        return _av1_counter(extradata)
    return _COUNTERS.get(codec)


def nal_units(packet: memoryview, prefix: int) -> Iterator[memoryview]:
    """NAL units of a packet.

    Args:
        packet: Its bytes.
        prefix: Bytes of the length before each; 0 for start codes.
    """
    if not prefix:
        for piece in bytes(packet).split(b"\0\0\1")[1:]:
            if piece:
                yield memoryview(piece)
        return
    at, size = prefix, len(packet)
    while at < size:
        length = int.from_bytes(packet[at - prefix : at], "big")
        if length:
            yield packet[at : at + length]
        at += length + prefix


def _h264_counter(prefix: int) -> Counter:
    def count(packet: memoryview) -> int:
        # Nearly every packet is one slice.
        if prefix and len(packet) > prefix + 1:
            kind = packet[prefix] & 0x1F
            if kind in (_SLICE, _IDR) and packet[prefix + 1] & 0x80:
                length = int.from_bytes(packet[:prefix], "big")
                if prefix + length == len(packet):
                    return 1
        firsts = slices = 0
        for nal in nal_units(packet, prefix):
            kind = nal[0] & 0x1F
            if _PARTITION <= kind < _IDR:
                return UNKNOWN
            if kind in (_SLICE, _IDR) and len(nal) > 1:
                slices += 1
                # The first macroblock of a picture has the number 0, coded as 1.
                firsts += nal[1] >> 7
        if slices:
            return firsts or UNKNOWN
        return _none_or_unknown(packet, prefix, 0, _NO_SLICES)

    return count


def _hevc_counter(prefix: int, extradata: bytes) -> Counter:
    sets = parameter_sets("hevc", extradata)
    if sets is None:
        sets = [bytes(nal) for nal in nal_units(memoryview(extradata), 0)]
    hides = any(map(_may_hide, sets))

    def count(packet: memoryview) -> int:
        nonlocal hides
        firsts = slices = 0
        for nal in nal_units(packet, prefix):
            if len(nal) < 3:
                continue
            kind, layer = nal[0] >> 1 & 0x3F, (nal[0] & 1) << 5 | nal[1] >> 3
            if layer:
                continue
            hides = hides or (kind == _HEVC_PPS and _may_hide(bytes(nal)))
            # Pictures that wait to be shown may be dropped there.
            if kind in _HEVC_ENDS or kind in _HEVC_BLA:
                return UNKNOWN
            if kind <= _HEVC_VCL:
                slices += 1
                if nal[2] & 0x80:
                    firsts += 1
                    if kind in _HEVC_IRAP and nal[2] & 0x40:
                        return UNKNOWN
        if slices:
            return UNKNOWN if hides else firsts or UNKNOWN
        return _none_or_unknown(packet, prefix, 1, _HEVC_NO_SLICES)

    return count


def _may_hide(nal: bytes) -> bool:
    """Whether it is a set of parameters whose pictures say if they are shown."""
    if not nal or nal[0] >> 1 & 0x3F != _HEVC_PPS:
        return False
    bits = Bits(nal[1:])
    try:
        bits.golomb()
        bits.golomb()
        bits.take(1)
        return bool(bits.take(1))
    except ValueError:
        return False


def _none_or_unknown(packet: memoryview, prefix: int, shift: int, kinds: range) -> int:
    """0 for a packet of whole units of other kinds alone; else it is damaged."""
    units = list(nal_units(packet, prefix))
    size = sum(len(nal) + prefix for nal in units)
    whole = size == len(packet) if prefix else bytes(packet[:3]) in _CODES
    mask = 0x3F if shift else 0x1F
    known = all(nal[0] >> shift & mask in kinds for nal in units)
    return 0 if units and whole and known else UNKNOWN


def _vp8(packet: memoryview) -> int:
    return packet[0] >> 4 & 1


def _vp9(packet: memoryview) -> int:
    shown = 0
    for frame in _vp9_frames(packet):
        head = frame[0]
        if head >> 6 != 2:
            return UNKNOWN
        high_profile = head & 0x30 == 0x30
        again, now = (4, 1) if high_profile else (8, 2)
        shown += bool(head & again) or bool(head & now)
    return shown if shown < 2 else UNKNOWN


def _vp9_frames(packet: memoryview) -> Iterator[memoryview]:
    """The frames of a superframe, by the index at its end; else the packet."""
    mark = packet[-1]
    count, width = (mark & 7) + 1, (mark >> 3 & 3) + 1
    table = 2 + count * width
    if mark & 0xE0 != 0xC0 or len(packet) < table or packet[-table] != mark:
        yield packet
        return
    at, entry = 0, len(packet) - table + 1
    for _ in range(count):
        size = int.from_bytes(packet[entry : entry + width], "little")
        if size and at + size <= len(packet):
            yield packet[at : at + size]
        at, entry = at + size, entry + width


_AV1_SEQUENCE, _AV1_HEADERS, _AV1_TILES = 1, (3, 6), 8


def _av1_counter(extradata: bytes) -> Counter:
    # 'av1C' has four bytes before the sequence header.
    stills = [
        kind == _AV1_SEQUENCE and bool(body[:1] and body[0] & 8)
        for kind, _, body in _obus(memoryview(extradata)[4:])
    ]

    def count(packet: memoryview) -> int:
        shown, still = 0, any(stills)
        for kind, spatial, body in _obus(packet):
            if spatial or kind == _AV1_TILES:
                return UNKNOWN
            if kind == _AV1_SEQUENCE and body:
                still = bool(body[0] & 8)
            elif kind in _AV1_HEADERS and body:
                # show_existing_frame, or show_frame behind the type.
                shown += still or bool(body[0] & 0x80) or bool(body[0] & 0x10)
        return shown if shown < 2 else UNKNOWN

    return count


def _obus(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(kind, spatial layer, content) of each unit of AV1."""
    at = 0
    while at < len(data):
        head, spatial = data[at], 0
        at += 1
        if head & 4 and at < len(data):
            spatial = data[at] >> 3 & 3
            at += 1
        size, shift = len(data) - at, 0
        if head & 2:
            size = 0
            while at < len(data):
                byte = data[at]
                size |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not byte & 0x80:
                    break
        yield head >> 3 & 15, spatial, data[at : at + size]
        at += size


def _mpeg4(packet: memoryview) -> int:
    if len(packet) < _SMALLEST_MPEG4:  # it may be "not coded", which shows nothing
        return UNKNOWN
    return 1 if bytes(packet).count(b"\0\0\1\xb6") == 1 else UNKNOWN


def _mjpeg(packet: memoryview) -> int:
    return 1 if bytes(packet[:3]) == b"\xff\xd8\xff" else UNKNOWN


def _prores(packet: memoryview) -> int:
    return 1 if bytes(packet[4:8]) == b"icpf" else UNKNOWN


def _dnxhd(packet: memoryview) -> int:
    return 1 if len(packet) >= _SMALLEST_DNXHD else UNKNOWN


def _always(packet: memoryview) -> int:
    return 1


_COUNTERS: dict[str, Counter] = {
    "vp8": _vp8,
    "vp9": _vp9,
    "mpeg4": _mpeg4,
    "mjpeg": _mjpeg,
    "prores": _prores,
    "dnxhd": _dnxhd,
    "ffv1": _always,
}
