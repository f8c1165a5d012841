"""Whether a packet holds a picture that needs no other, read from its first bytes.

Containers mark keyframes, and some mark too many: an MP4 whose table of them is gone
says that every packet is one. Decoders then show a picture that was coded as a change
of another on grey, without an error.
"""

from __future__ import annotations

from collections.abc import Callable

_AV1_FRAME_HEADERS = (3, 6)
_HALF_RANGE = 0x7F80


def holds_keyframe(codec: str, packet: bytes) -> bool:
    r"""Whether decoding may start at a packet, as far as its own header says.

    Args:
        codec: FFmpeg's name of the codec.
        packet: The packet's first bytes.

    Returns:
        True also for codecs whose headers are not looked at.

    Example:
        >>> holds_keyframe('mpeg4', b'\0\0\1\xb6\x10'), holds_keyframe('mjpeg', b'')
        (True, True)
        >>> holds_keyframe('mpeg4', b'\0\0\1\xb6\x50')
        False
    """
    test = _TESTS.get(codec)
    try:
        return test is None or test(packet)
    except IndexError:
        return False


def has_header_test(codec: str) -> bool:
    """Whether :func:`holds_keyframe` looks at the headers of a codec."""
    return codec in _TESTS


def _mpeg4(packet: bytes) -> bool:
    return packet[_behind(packet, b"\0\0\1\xb6")] >> 6 == 0


def _mpeg12(packet: bytes) -> bool:
    return packet[_behind(packet, b"\0\0\1\0") + 1] >> 3 & 7 == 1


def _behind(packet: bytes, code: bytes) -> int:
    at = packet.find(code)
    return len(packet) if at < 0 else at + len(code)


def _vp8(packet: bytes) -> bool:
    return not packet[0] & 1


def _vp9(packet: bytes) -> bool:
    head, profile_3 = packet[0], packet[0] & 0x30 == 0x30
    shows_other, is_inter = (4, 2) if profile_3 else (8, 4)
    return head >> 6 == 2 and not head & (shows_other | is_inter)


def _av1(packet: bytes) -> bool:
    at, still = 0, False
    while True:
        kind, extended, sized = packet[at] >> 3 & 15, packet[at] & 4, packet[at] & 2
        at += 2 if extended else 1
        size, shift = 0, 0
        while sized:
            size |= (packet[at] & 0x7F) << shift
            at, shift, sized = at + 1, shift + 7, packet[at] & 0x80
        if kind == 1:
            still = bool(packet[at] & 8)
        elif kind in _AV1_FRAME_HEADERS:
            # It shows no other frame, is a key frame, and is shown.
            return still or packet[at] >> 4 == 1
        if not shift:
            return False
        at += size


def _theora(packet: bytes) -> bool:
    return packet[0] & 0xC0 == 0


def _flv1(packet: bytes) -> bool:
    bits = _Bits(packet)
    bits.take(30)
    custom = bits.take(3)
    bits.take({0: 16, 1: 32}.get(custom, 0))
    return bits.take(2) == 0


def _h263(packet: bytes) -> bool:
    bits = _Bits(packet)
    bits.take(35)
    if bits.take(3) != 7:
        return bits.take(1) == 0
    if bits.take(3) == 1:
        bits.take(18)
    return bits.take(3) == 0


def _ffv1(packet: bytes) -> bool:
    # The first decision of the range coder, at even odds.
    return (packet[0] << 8 | packet[1]) >= _HALF_RANGE


class _Bits:
    def __init__(self, packet: bytes) -> None:
        if len(packet) < 16:
            raise IndexError
        self._value, self._left = int.from_bytes(packet[:16], "big"), 128

    def take(self, count: int) -> int:
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)


_TESTS: dict[str, Callable[[bytes], bool]] = {
    "mpeg4": _mpeg4,
    "mpeg1video": _mpeg12,
    "mpeg2video": _mpeg12,
    "vp8": _vp8,
    "vp9": _vp9,
    "av1": _av1,
    "theora": _theora,
    "flv1": _flv1,
    "h263": _h263,
    "ffv1": _ffv1,
}
