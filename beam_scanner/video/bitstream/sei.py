"""Supplemental messages (SEI) of H.264 and HEVC, as far as they matter to pictures.

Cameras write malformed messages: longer than their unit, of a kind that says something
else, for parameters that are not there. No pixel depends on them, but a strict decoder
refuses the picture. For such files, all messages but the few kinds that decoding
depends on are withheld from the decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

RECOVERY_POINT = 6
_USER_DATA, _FILM_GRAIN, _ORIENTATION = 5, 19, 47
# Kinds that decoders use, and their fewest bytes. User data: x264 names its version,
# and decoders work around bugs of old ones.
_KEPT = {_USER_DATA: 17, RECOVERY_POINT: 1, _FILM_GRAIN: 1, _ORIENTATION: 3}
_END = 0x80


class Message(NamedTuple):
    """A message.

    Attributes:
        kind: Its payload type.
        size: How many bytes of content it claims.
        content: Its content, which may be shorter.
        coded: All of its bytes, kind and size included.
    """

    kind: int
    size: int
    content: bytes
    coded: bytes


def messages(nal: bytes, header_bytes: int) -> Iterator[Message]:
    r"""The messages in a NAL unit.

    Examples:
        >>> [message[:3] for message in messages(b'\x06\x04\x02ab\x80', 1)]
        [(4, 2, b'ab')]
    """
    data, at = unescaped(nal[header_bytes:]), 0
    while at + 2 <= len(data) and data[at] != _END:
        begin = at
        kind, at = _number(data, at)
        size, at = _number(data, at)
        content = data[at : at + size]
        at += size
        yield Message(kind, size, content, data[begin:at])


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number at ``at``, and where it ends."""
    value = 0
    while at < len(data) and data[at] == 0xFF:
        value, at = value + 255, at + 1
    return value + (data[at] if at < len(data) else 0), at + 1


def wanted_messages(nal: bytes, header_bytes: int) -> bytes:
    """A unit with those of its messages that decoders need; b'' if there are none."""
    kept = b""
    for message in messages(nal, header_bytes):
        if len(message.content) < message.size:
            break
        if message.size >= _KEPT.get(message.kind, message.size + 1):
            kept += message.coded
    return nal[:header_bytes] + escaped(kept + bytes([_END])) if kept else b""


def unescaped(data: bytes) -> bytes:
    """The content of a NAL unit without the bytes that keep start codes out of it."""
    return data.replace(b"\0\0\3", b"\0\0")


def escaped(data: bytes) -> bytes:
    r"""The opposite of :func:`unescaped`.

    Examples:
        >>> escaped(b'\0\0\1')
        b'\x00\x00\x03\x01'
    """
    out, zeros = bytearray(), 0
    for byte in data:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)
