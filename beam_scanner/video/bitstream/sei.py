"""Supplemental messages of H.264 and HEVC, as far as they matter to pictures.

Cameras write messages that are malformed: longer than their unit, of a kind that says
something else, for parameters that are not there. No pixel depends on them, but a
decoder that is told to be strict refuses the picture. For such files, all messages but
the few kinds that decoding depends on are withheld.
"""

from __future__ import annotations

from collections.abc import Callable

from beam_scanner.video.bitstream.packets import length_size, sei_number
from beam_scanner.video.bitstream.pictures import nal_units

_USER_DATA, _RECOVERY, _FILM_GRAIN, _ORIENTATION = 5, 6, 19, 47
# Kinds that decoders mind, and their fewest bytes: x264 names its version, and old
# ones have bugs that decoders know.
_KEPT = {_USER_DATA: 17, _RECOVERY: 1, _FILM_GRAIN: 1, _ORIENTATION: 3}
_H264_SEI, _HEVC_SEI, _HEVC_SUFFIX_SEI = 6, 39, 40

Filter = Callable[[memoryview], bytes | None]


def message_filter(codec: str, extradata: bytes) -> Filter | None:
    r"""A function that takes from a packet the messages that pictures do not need.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: The stream's decoder configuration.

    Returns:
        The function: it returns the packet's bytes without them, None where the packet
        has no message. None for codecs without such messages.

    Example:
        >>> keep = message_filter('h264', b'')
        >>> keep(memoryview(b'\0\0\1\x06\x04\x09\0\0\1\x65\x88')).hex()
        '000000016588'
        >>> keep(memoryview(b'\0\0\1\x65\x88')) is None
        True
    """
    if codec not in ("h264", "hevc"):
        return None
    prefix, head = length_size(codec, extradata), 1 if codec == "h264" else 2

    def is_message(nal: memoryview) -> bool:
        if codec == "h264":
            return nal[0] & 0x1F == _H264_SEI
        return nal[0] >> 1 & 0x3F in (_HEVC_SEI, _HEVC_SUFFIX_SEI)

    def keep(packet: memoryview) -> bytes | None:
        units = list(nal_units(packet, prefix))
        if not any(is_message(nal) for nal in units):
            return None
        kept = []
        for nal in units:
            data = bytes(nal)
            if is_message(nal):
                data = _wanted(data, head)
            if data:
                length = len(data).to_bytes(prefix, "big") if prefix else b"\0\0\0\1"
                kept.append(length + data)
        return b"".join(kept)

    return keep


def _wanted(nal: bytes, head: int) -> bytes:
    """A unit with those of its messages that are kept; b'' if there are none."""
    data = nal[head:].replace(b"\0\0\3", b"\0\0")
    kept, at = b"", 0
    while at + 2 <= len(data) and data[at] != 0x80:
        begin = at
        kind, at = sei_number(data, at)
        size, at = sei_number(data, at)
        if at + size > len(data):
            break
        at += size
        if size >= _KEPT.get(kind, size + 1):
            kept += data[begin:at]
    return nal[:head] + _escaped(kept + b"\x80") if kept else b""


def _escaped(data: bytes) -> bytes:
    out, zeros = bytearray(), 0
    for byte in data:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)
