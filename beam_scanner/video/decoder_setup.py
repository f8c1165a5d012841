"""What a decoder must be given besides the packets from a keyframe on.

Some of it comes once, with an earlier packet: a colour table, a new decoder
configuration, parameter sets that stand in the packets. A decoder that starts at a
later keyframe has not seen it.
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

from beam_scanner.video.bitstream.codec import Bitstream

PALETTE: Final = "palette"
CONFIGURATION: Final = "new_extradata"
SETS: Final = "sets"
_SIDE_DATA: Final[tuple[PktSideDataT, ...]] = (PALETTE, CONFIGURATION)
_MOST = 256
_MOST_SETS = 64

Setup = tuple[int, str, bytes]
"""From which keyframe or packet on, of which kind, and the bytes."""


@dataclass
class SetupTracker:
    """Follows what decoders must be given along the packets of a stream.

    Args:
        bitstream: Reads the packets.

    Attributes:
        found: By the packet from which on each holds, ascending. Empty where packets
            say nothing that the decoder configuration does not.
        overflows: Whether there is more than can be kept.
    """

    bitstream: Bitstream
    found: list[Setup] = field(default_factory=list)
    overflows: bool = False

    def __post_init__(self) -> None:
        self._sets = self.bitstream.configured_sets()
        self._changed = False

    def side_data(self, number: int, packet: Any) -> None:
        """Notes what an ``av.Packet`` carries beside its data."""
        for kind in _SIDE_DATA:
            if packet.has_sidedata(kind):
                known = any(found == CONFIGURATION for _, found, _ in self.found)
                if kind == CONFIGURATION and not known:
                    self._add(0, kind, self.bitstream.extradata)
                data = PacketSideData.from_packet(packet, kind)
                self._add(number, kind, bytes(memoryview(data)))

    def data(self, number: int, packet: memoryview) -> None:
        """Notes the parameter sets in a packet."""
        new = self.bitstream.parameter_sets(packet)
        if not new:
            return
        if not self._changed:
            if all(map(self.bitstream.is_configured, new)):
                return
            self._changed = True
            self._add(0, SETS, self.bitstream.join_sets(self._sets))
        # Of two sets with one number, the one that came last holds.
        latest = list(dict.fromkeys(reversed(new)))[::-1]
        if self.bitstream.adds_parameter_sets:
            latest = [nal for nal in self._sets if nal not in latest] + latest
        latest = latest[-_MOST_SETS:]
        if latest != self._sets:
            self._sets = latest
            self._add(number, SETS, self.bitstream.join_sets(latest))

    def _add(self, number: int, kind: str, data: bytes) -> None:
        if len(self.found) < _MOST:
            self.found.append((number, kind, data))
        else:
            self.overflows = True


def by_keyframe(
    found: list[Setup], starts: list[int]
) -> tuple[tuple[int, str, str], ...]:
    """The setups for a frame index, by the first keyframe that needs each.

    Args:
        found: By packet.
        starts: The packet of each keyframe, ascending.

    Returns:
        (number of the keyframe, kind, bytes in base64), by kind and keyframe.
    """
    chosen: dict[tuple[str, int], bytes] = {}
    for number, kind, data in sorted(found, key=lambda setup: setup[0]):
        keyframe = bisect_left(starts, number)
        if keyframe < len(starts):
            chosen[kind, keyframe] = data
    return tuple(
        (keyframe, kind, base64.b64encode(data).decode())
        for (kind, keyframe), data in sorted(chosen.items())
    )


def setup_of(
    setups: tuple[tuple[int, str, str], ...], keyframe: int
) -> dict[str, bytes]:
    """What a decoder that starts at a keyframe is given, by kind."""
    return {
        kind: base64.b64decode(data)
        for first, kind, data in setups
        if first <= keyframe
    }


def with_setup(packet: Any, given: dict[str, bytes]) -> Any:
    """An ``av.Packet`` with what its decoder must be given before it."""
    if given.get(SETS):
        packet = with_data(packet, given[SETS] + bytes(packet))
    for kind in _SIDE_DATA:
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
