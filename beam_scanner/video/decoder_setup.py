"""What a decoder must be given besides the packets from an entry on.

Some of it comes once, with an earlier packet: a colour table, a new decoder
configuration, parameter sets that stand in the packets. A decoder that starts at a
later entry has not seen it.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Final

import av
from av.packet import (
    PacketSideData,
    PktSideDataT,
    packet_sidedata_type_from_literal,
)

from beam_scanner.video.bitstream.packets import length_size, parameter_sets
from beam_scanner.video.bitstream.pictures import nal_units

PALETTE: Final = "palette"
CONFIGURATION: Final = "new_extradata"
SETS: Final = "sets"
_CARRIED: Final[tuple[PktSideDataT, ...]] = (PALETTE, CONFIGURATION)
_SET_KINDS = {"h264": frozenset({7, 8, 13}), "hevc": frozenset({32, 33, 34})}
_SLICES = {"h264": range(1, 6), "hevc": range(32)}
# Of MPEG's older codecs: where the headers of a sequence begin, and what ends them.
_HEADERS = {
    "mpeg1video": (b"\0\0\1\xb3", (b"\0\0\1\xb8", b"\0\0\1\0")),
    "mpeg2video": (b"\0\0\1\xb3", (b"\0\0\1\xb8", b"\0\0\1\0")),
    "mpeg4": (b"\0\0\1\x20", (b"\0\0\1\xb3", b"\0\0\1\xb6")),
}
_HEAD = 4096
_MOST = 256
_MOST_SETS = 64

Setup = tuple[int, str, bytes]
"""From which entry or packet on, of which kind, and the bytes."""


@dataclass
class SetupTracker:
    """Follows what decoders are told along the packets of a stream.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: The stream's decoder configuration.

    Attributes:
        found: By the packet from which on each holds, ascending. Empty where packets
            tell nothing that the configuration does not.
        prefix: Bytes of the length before each NAL unit; 0 for start codes.
        slices: First bytes of NAL units that are slices.
    """

    codec: str
    extradata: bytes
    found: list[Setup] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.prefix = length_size(self.codec, self.extradata)
        self._kinds = _SET_KINDS.get(self.codec)
        kinds = _SLICES.get(self.codec, range(0))
        self.slices = frozenset(b for b in range(256) if self._kind(b) in kinds)
        self._header = _HEADERS.get(self.codec)
        self._sets: dict[bytes, None] = {}
        self._told = self.extradata
        self._changed = self._full = False
        if self._kinds:
            given = parameter_sets(self.codec, self.extradata)
            if given is None and not self.prefix:
                units = nal_units(memoryview(self.extradata), 0)
                given = [bytes(nal).rstrip(b"\0") for nal in units]
            self._sets = dict.fromkeys(filter(None, given or []))

    def side_data(self, number: int, packet: Any) -> None:
        """Notes what a packet carries beside its data."""
        for kind in _CARRIED:
            if packet.has_sidedata(kind):
                if kind == CONFIGURATION and not self._changed_configuration():
                    self._add(0, kind, self.extradata)
                data = PacketSideData.from_packet(packet, kind)
                self._add(number, kind, bytes(memoryview(data)))

    def _changed_configuration(self) -> bool:
        return any(kind == CONFIGURATION for _, kind, _ in self.found)

    def data(self, number: int, packet: memoryview) -> None:
        """Notes the parameter sets in a packet."""
        if self._kinds:
            self._note_sets(number, packet)
        elif self._header:
            self._note_header(number, packet)

    def _note_sets(self, number: int, packet: memoryview) -> None:
        at, kinds = self.prefix, self._kinds
        assert kinds is not None
        looked_at = packet if at else packet[:_HEAD]
        own: list[bytes] = []
        for nal in nal_units(looked_at, at):
            if nal[0] in self.slices:
                break
            if self._kind(nal[0]) in kinds:
                own.append(bytes(nal) if at else bytes(nal).rstrip(b"\0"))
        if not own or (not self._changed and all(nal in self._sets for nal in own)):
            return
        if not self._changed:
            self._changed = True
            self._add(0, SETS, self._joined())
        before = list(self._sets)
        for learnt in own:
            self._sets.pop(learnt, None)
            self._sets[learnt] = None
        while len(self._sets) > _MOST_SETS:
            self._sets.pop(next(iter(self._sets)))
        if before != list(self._sets):
            self._add(number, SETS, self._joined())

    def _kind(self, byte: int) -> int:
        return byte & 0x1F if self.codec == "h264" else byte >> 1 & 0x3F

    def _joined(self) -> bytes:
        if not self.prefix:
            return b"".join(b"\0\0\0\1" + nal for nal in self._sets)
        return b"".join(
            len(nal).to_bytes(self.prefix, "big") + nal for nal in self._sets
        )

    def _note_header(self, number: int, packet: memoryview) -> None:
        assert self._header is not None
        begin, ends = self._header
        head = bytes(packet[:_HEAD])
        start = head.find(begin)
        if start < 0:
            return
        found = [head.find(end, start) for end in ends]
        stop = min((at for at in found if at >= 0), default=-1)
        if stop < 0 or head[start:stop] == self._told:
            return
        # The configuration may have more before and behind it.
        if not self._changed and head[start:stop] in self.extradata:
            return
        if not self._changed:
            self._changed = True
            self._add(0, SETS, self.extradata)
        self._told = head[start:stop]
        self._add(number, SETS, self._told)

    def _add(self, number: int, kind: str, data: bytes) -> None:
        if len(self.found) < _MOST:
            self.found.append((number, kind, data))
        else:
            self._full = True

    @property
    def overflows(self) -> bool:
        """Whether there is more than can be kept."""
        return self._full


def by_entry(found: list[Setup], starts: list[int]) -> tuple[tuple[int, str, str], ...]:
    """What is to be given from which entry on, for a frame index.

    Args:
        found: By packet.
        starts: The packet of each entry, ascending.

    Returns:
        (number of the entry, kind, bytes in base64), by kind and entry.
    """
    chosen: dict[tuple[str, int], bytes] = {}
    for number, kind, data in sorted(found, key=lambda setup: setup[0]):
        entry = bisect_left(starts, number)
        if entry < len(starts):
            chosen[kind, entry] = data
    return tuple(
        (entry, kind, base64.b64encode(data).decode())
        for (kind, entry), data in sorted(chosen.items())
    )


def setup_of(setups: tuple[tuple[int, str, str], ...], entry: int) -> dict[str, bytes]:
    """What a decoder that starts at an entry is given, by kind."""
    return {
        kind: base64.b64decode(data) for first, kind, data in setups if first <= entry
    }


def with_setup(packet: Any, given: dict[str, bytes]) -> Any:
    """An ``av.Packet`` with what its decoder must be given before it."""
    if given.get(SETS):
        packet = with_data(packet, given[SETS] + bytes(packet))
    for kind in _CARRIED:
        if kind in given and not packet.has_sidedata(kind):
            data = given[kind]
            make: Any = PacketSideData
            side = make(packet_sidedata_type_from_literal(kind), len(data))
            memoryview(side)[:] = data
            packet.set_sidedata(side)
    return packet


def with_data(packet: Any, data: bytes) -> Any:
    """The same ``av.Packet`` with other bytes, and without its ``opaque``."""
    changed = av.Packet(data)
    changed.stream = packet.stream
    changed.pts, changed.dts = packet.pts, packet.dts
    changed.time_base, changed.duration = packet.time_base, packet.duration
    changed.is_keyframe = packet.is_keyframe
    for side in packet.iter_sidedata():
        changed.set_sidedata(side)
    return changed
