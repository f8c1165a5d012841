"""Notices damage that FFmpeg's decoders conceal without a word.

In H.264 a copy of an earlier picture takes the place of one that is missing; but
reference pictures are numbered, so that a gap shows in the packets' headers. In FFV1
a part of the last picture takes the place of one whose checksum is wrong; but the
checksum can be computed. Other decoders report what they lack and what they know.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from beam_scanner.video.bitstream.h264 import PictureNumber, SliceReader
from beam_scanner.video.bitstream.packets import length_size, parameter_sets

_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
_HEAD = 4096
# What has the number of a picture, and what has all of a slice's header.
_NUMBER_BYTES, _HEADER_BYTES = 20, 256


@dataclass(frozen=True)
class Damage:
    """What is wrong with a packet.

    Attributes:
        reason: A clause for an error message.
        before: Whether it is not the packet, but something missing right before it.
    """

    reason: str
    before: bool = False


class PacketCheck:
    """Follows the packets of a stream in decoding order.

    Args:
        codec: FFmpeg's name of the codec. Packets of most codecs are never found
            damaged here.
        extradata: The stream's decoder configuration.

    Attributes:
        is_field: Whether the last packet of H.264 holds a field, not a frame.

    Example:
        >>> check = PacketCheck('h264', bytes.fromhex(
        ...     '0164000affe100156764000aacb4317420000003002000000641e244d401000668'
        ...     'ef0fcbfdf8'))
        >>> packets = ['658884', '419a26', '419a41', '419a86']  # 0, 1, 2 and 4
        >>> for packet in packets:
        ...     nal = bytes.fromhex(packet) + bytes(8)
        ...     found = check.damage(memoryview(len(nal).to_bytes(4) + nal))
        >>> found.reason
        'reference pictures are missing: number 4 follows 2'
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self.is_field = False
        self._codec = codec
        self._slices = SliceReader()
        self._length_size = length_size(codec, extradata)
        self.restart()
        if codec != "h264":
            return
        sets = parameter_sets(codec, extradata)
        if sets is None:
            sets = [bytes(nal) for nal in self._nals(memoryview(extradata))]
        for nal in filter(None, sets):
            self._learn(nal)

    def restart(self) -> None:
        """The next packet follows a seek."""
        # The last reference picture, and its first slice.
        self._last: PictureNumber | None = None
        self._last_nal = memoryview(b"")

    def damage(self, packet: memoryview) -> Damage | None:
        """Says what is wrong with a packet, or missing right before it.

        Args:
            packet: The packet's bytes.

        Returns:
            None where nothing shows.
        """
        if self._codec == "h264":
            return self._check_h264(packet)
        return _check_ffv1(packet) if self._codec == "ffv1" else None

    def _check_h264(self, packet: memoryview) -> Damage | None:
        # Nearly every packet of a container is slices alone, and the first tells.
        at = self._length_size
        if at and len(packet) > at and packet[at] & 0x1F in (_SLICE, _IDR):
            size = int.from_bytes(packet[:at], "big")
            return self._check_slice(packet[at : at + size])
        for nal in self._nals(packet):
            kind = nal[0] & 0x1F
            if kind in (_SLICE, _IDR):
                return self._check_slice(nal)
            if kind in (_SPS, _PPS):
                self._learn(bytes(nal))
        return None

    def _check_slice(self, nal: memoryview) -> Damage | None:
        last, last_nal = self._last, self._last_nal
        try:
            current = self._slices.read(bytes(nal[:_NUMBER_BYTES]))
        except ValueError:
            # Such a header is for the decoder to complain about.
            self._last, self.is_field = None, False
            return None
        self.is_field = current.is_field
        if current.is_reference:
            self._last, self._last_nal = current, nal
        if last is None or current.is_idr or current.sequence.gaps_allowed:
            return None
        number, period = current.number, 1 << current.sequence.number_bits
        if number == (last.number + 1) % period:
            return None
        if current.is_field and number == last.number:
            return None
        # The number of the last picture counts as 0 where it ordered a new start.
        if number == 1 and self._slices.resets_numbers(bytes(last_nal[:_HEADER_BYTES])):
            return None
        return Damage(
            f"reference pictures are missing: number {number} follows {last.number}",
            before=True,
        )

    def _nals(self, packet: memoryview) -> Iterator[memoryview]:
        """NAL units; of a packet with start codes only those near its beginning."""
        if self._length_size == 0:
            for piece in bytes(packet[:_HEAD]).split(b"\0\0\1")[1:]:
                if piece:
                    yield memoryview(piece)
            return
        at = self._length_size
        while at < len(packet):
            size = int.from_bytes(packet[at - self._length_size : at], "big")
            if size:
                yield packet[at : at + size]
            at += size + self._length_size

    def _learn(self, nal: bytes) -> None:
        # What is damaged here is for the decoder to complain about.
        with suppress(ValueError):
            self._slices.learn(nal)


_FOOTER = 8
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_ONES = 0xFFFFFFFF


def _check_ffv1(packet: memoryview) -> Damage | None:
    """Each slice ends with its size, a byte for its state, and a checksum.

    Streams without checksums have shorter footers, by which the sizes do not add up.
    """
    slices, end = [], len(packet)
    while end >= _FOOTER:
        footer = end - _FOOTER
        start = footer - int.from_bytes(packet[footer : footer + 3], "big")
        if start < 0:
            return None
        slices.append((start, end))
        end = start
    if end:
        return None
    for start, end in slices:
        # zlib's CRC takes bits from the other end, and begins with ones.
        mirrored = bytes(packet[start:end]).translate(_MIRRORED)
        if zlib.crc32(mirrored, _ALL_ONES) != _ALL_ONES:
            return Damage("the checksum of its data is wrong")
    return None
