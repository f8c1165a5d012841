"""What a packet is, read from its first bytes.

Containers mark keyframes, but a keyframe is a clean start only if no later frame in
presentation order needs anything before it. Frames that are *shown before* it may do
so (open GOP): they belong to the entry before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from beam_scanner.video.bitstream.keyframes import has_header_test, holds_keyframe

_H264_SLICE, _H264_IDR, _H264_SEI = 1, 5, 6
_SEI_RECOVERY_POINT = 6
_H264_PPS, _HEVC_PPS = 8, 34
_HEVC_LAST_SLICE, _HEVC_FIRST_IRAP, _HEVC_LAST_IRAP = 31, 16, 21


def is_clean_entry(codec: str, extradata: bytes, packet: bytes) -> bool:
    r"""Whether decoding may start at a packet that the container calls a keyframe.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: The stream's decoder configuration, which says how NAL units are
            delimited; b'' for none.
        packet: The packet's first bytes, at least up to its first slice.

    Returns:
        What its headers say; True for codecs of which nothing is known: the
        container's word is checked by decoding.

    Example:
        >>> is_clean_entry('h264', b'', b'\0\0\1\x65\x88')  # IDR slice
        True
        >>> is_clean_entry('h264', b'', b'\0\0\1\x41\x9a')  # P slice
        False
        >>> is_clean_entry('mjpeg', b'', b''), is_clean_entry('vp8', b'', b'\1')
        (True, False)
    """
    if codec == "h264":
        return _h264_clean(extradata, packet)
    if codec == "hevc":
        for nal in _nals(packet, length_size("hevc", extradata)):
            kind = nal[0] >> 1 & 0x3F
            if kind <= _HEVC_LAST_SLICE:
                return _HEVC_FIRST_IRAP <= kind <= _HEVC_LAST_IRAP
        return False
    return holds_keyframe(codec, packet)


def reads_headers(codec: str) -> bool:
    """Whether packets of a codec are asked themselves where decoding may start.

    Example:
        >>> reads_headers('h264'), reads_headers('wmv2')
        (True, False)
    """
    return codec in ("h264", "hevc") or has_header_test(codec)


def is_recovery_point(codec: str, extradata: bytes, packet: bytes) -> bool:
    """Whether a clean entry is one of H.264's that is no IDR picture (open GOP).

    Later pictures may list earlier ones as references, as long as they do not use
    them; decoders take that for an error.
    """
    return codec == "h264" and not any(
        nal[0] & 0x1F == _H264_IDR
        for nal in _nals(packet, length_size("h264", extradata))
    )


def is_hidden(codec: str, packet: bytes) -> bool:
    r"""Whether a packet decodes to no picture: an alternate reference frame of VP8.

    Example:
        >>> is_hidden('vp8', b'\x10'), is_hidden('vp8', b'\x00')
        (False, True)
    """
    return codec == "vp8" and bool(packet) and not packet[0] & 0x10


def _h264_clean(extradata: bytes, packet: bytes) -> bool:
    recovers = False
    for nal in _nals(packet, length_size("h264", extradata)):
        kind = nal[0] & 0x1F
        if kind == _H264_IDR:
            return True
        if kind == _H264_SEI:
            recovers = recovers or _recovers_at_once(nal)
        elif _H264_SLICE <= kind < _H264_IDR:
            return recovers
    return False


def _recovers_at_once(sei: bytes) -> bool:
    """Whether it has a recovery point message with a recovery_frame_cnt of 0."""
    data = sei[1:].replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 2 <= len(data) and data[at] != 0x80:
        kind, at = sei_number(data, at)
        size, at = sei_number(data, at)
        if kind == _SEI_RECOVERY_POINT:
            # ue(v): a first bit of 1 is the number 0.
            return at < len(data) and bool(data[at] & 0x80)
        at += size
    return False


def sei_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of a supplemental message at ``at``, and where it ends."""
    value = 0
    while at < len(data) and data[at] == 0xFF:
        value, at = value + 255, at + 1
    return value + (data[at] if at < len(data) else 0), at + 1


def length_size(codec: str, extradata: bytes) -> int:
    """Bytes of a NAL unit's length prefix; 0 where start codes delimit them."""
    if codec == "h264" and len(extradata) > 6 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if (
        codec == "hevc"
        and len(extradata) > 22
        and extradata[:3]
        not in (
            b"\0\0\1",
            b"\0\0\0",
        )
    ):
        return (extradata[21] & 3) + 1
    return 0


def _nals(packet: bytes, length_size: int) -> Iterator[bytes]:
    if length_size == 0:
        for piece in packet.split(b"\0\0\1")[1:]:
            if piece:
                yield piece
        return
    at = 0
    while at + length_size < len(packet):
        size = int.from_bytes(packet[at : at + length_size], "big")
        at += length_size
        if size:
            yield packet[at : at + size]
        at += size


def unreferenced_test(
    codec: str, extradata: bytes
) -> Callable[[memoryview], bool] | None:
    """A test for packets that no other packet needs, so that they need no decoding.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: The stream's decoder configuration.

    Returns:
        A function of a packet's bytes; None where it cannot be told.

    Example:
        >>> test = unreferenced_test('h264', bytes.fromhex('01640028ffe100'))
        >>> test(memoryview(bytes.fromhex('00000002019a')))
        True
        >>> test(memoryview(bytes.fromhex('00000002419a')))
        False
    """
    if length_size(codec, extradata) != 4:
        return None
    if codec == "h264":
        return _h264_unreferenced
    # With temporal layers, a higher one may refer to such pictures of a lower one.
    if extradata[21] >> 3 & 7 == 1:
        return _hevc_unreferenced
    return None


def _h264_unreferenced(packet: memoryview) -> bool:
    at, size = 0, len(packet)
    while at + 5 <= size:
        kind = packet[at + 4] & 0x1F
        if _H264_SLICE <= kind <= _H264_IDR:
            return not packet[at + 4] & 0x60
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return False


def _hevc_unreferenced(packet: memoryview) -> bool:
    at, size = 0, len(packet)
    while at + 5 <= size:
        kind = packet[at + 4] >> 1 & 0x3F
        if kind <= _HEVC_LAST_SLICE:
            return kind < _HEVC_FIRST_IRAP and kind % 2 == 0
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return False


def parameter_sets(codec: str, extradata: bytes) -> list[bytes] | None:
    """The parameter sets of a decoder configuration, as NAL units.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: 'avcC' or 'hvcC' configuration, as MP4 and Matroska have it.

    Returns:
        NAL units; None if it is not such a configuration, or if the stream's NAL
        units have no length prefixes of 4 bytes.

    Example:
        >>> avcc = bytes.fromhex('01640028ffe1000267640100026868')
        >>> [nal.hex() for nal in parameter_sets('h264', avcc)]
        ['6764', '6868']
    """
    if length_size(codec, extradata) != 4:
        return None
    try:
        return _avcc_sets(extradata) if codec == "h264" else _hvcc_sets(extradata)
    except IndexError:
        return None


def picture_parameters(codec: str, extradata: bytes) -> list[bytes] | None:
    """The profile and the picture parameter sets of a decoder configuration.

    Segments that agree in these differ, if at all, in what does not touch decoding,
    such as the frame rate that the encoder was told.
    """
    sets = [nal for nal in parameter_sets(codec, extradata) or [] if nal]
    if not sets:
        return None
    if codec == "h264":
        return [extradata[1:2], *(nal for nal in sets if nal[0] & 0x1F == _H264_PPS)]
    return [extradata[1:2], *(nal for nal in sets if nal[0] >> 1 == _HEVC_PPS)]


def _avcc_sets(data: bytes) -> list[bytes]:
    sets, at = [], 5
    for mask in (0x1F, 0xFF):
        count, at = data[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            sets.append(data[at + 2 : at + 2 + size])
            at += 2 + size
    return sets


def _hvcc_sets(data: bytes) -> list[bytes]:
    sets, at = [], 23
    for _ in range(data[22]):
        count, at = int.from_bytes(data[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            sets.append(data[at + 2 : at + 2 + size])
            at += 2 + size
    return sets
