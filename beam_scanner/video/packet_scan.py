"""One pass over a file's packets: what each is, by its container and its headers."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from beam_scanner.errors import VideoError
from beam_scanner.types.media_limits import check_frames, max_frames
from beam_scanner.video.bitstream.codec import UNKNOWN, Bitstream
from beam_scanner.video.bitstream.registry import bitstream
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.decoder_setup import SetupTracker
from beam_scanner.video.index import NO_PTS
from beam_scanner.video.linear import READ_ERRORS, feed, why
from beam_scanner.video.lost_rows import Packets, Pictures
from beam_scanner.video.source import VideoSource, check_readable, source_name

_HEAD_BYTES = 64 * 1024
# By how many packets a decoder may delay the frame of a keyframe.
_LONGEST_DELAY = 32
# Containers that mark what follows a gap, as a guess.
_MARKS_GAPS = ("mpegts",)
_FLAGS = ("shown", "clean", "marked")
_FACTS = ("pts", "dts", "pos", "size", "pictures", *_FLAGS)


class PacketScan:
    """Reads all packets, and decodes the first ``decoded`` frames to ``pictures``."""

    def __init__(
        self,
        video: OpenVideo,
        source: VideoSource,
        salvage: bool,
        pictures: Pictures,
        decoded: int,
    ) -> None:
        context = video.stream.codec_context
        self.video, self.source, self.salvage = video, source, salvage
        self.pictures, self.decoded = pictures, decoded
        self.codec = context.codec.canonical_name
        self.bitstream = bitstream(self.codec, context.extradata)
        self.read_packets = 0
        # For each packet the numbers of _FACTS.
        self.facts = array("q")
        self.signs: dict[int, str] = {}
        self.encrypted = self.duration = 0
        self.open_gop = self.begins_open = self.has_keyframe = False
        self.setups = SetupTracker(self.bitstream)
        self.guesses = video.container.format.name.startswith(_MARKS_GAPS)

    def read(self) -> Packets:
        """Reads to the end.

        Raises:
            VideoError: There are no packets, or they are encrypted or, in a strict
                scan, cannot be read to the end.
        """
        name, cut, most = source_name(self.source), "", max_frames()
        self.video.stream.codec_context.copy_opaque = True
        try:
            for packet in self.video.packets():
                if packet is not None:
                    if self.read_packets > most:
                        break
                    self._note(packet)
        except READ_ERRORS as error:
            check_readable(self.source, error)
            cut = f"after packet {self.read_packets}: {why(error)}"
            if not self.salvage:
                raise VideoError(f"video {name!r} is damaged {cut}") from error
            cut = f"it cannot be read {cut}"
        count = self.read_packets
        check_frames(f"video {name!r}", count)
        if not count:
            raise VideoError(f"video {name!r} has no frames" + (cut and f": {cut}"))
        if self.encrypted == count or (self.encrypted and not self.salvage):
            raise VideoError(
                f"video {name!r} is encrypted ({self.encrypted} of {count} packets): "
                "it cannot be decoded without its key"
            )
        if self.decoded:
            feed(self.video.stream.codec_context, None, self.pictures)
        return self._packets(cut)

    def _packets(self, cut: str) -> Packets:
        table = np.frombuffer(self.facts, np.int64).reshape(-1, len(_FACTS)).T.copy()
        facts: dict[str, Any] = dict(zip(_FACTS, table, strict=True))
        facts |= {name: facts[name].astype(bool) for name in _FLAGS}
        if self.setups.overflows:
            # A decoder that starts later would lack what could not be kept.
            facts["clean"][1:] = False
        return Packets(
            codec=self.codec,
            **facts,
            signs=self.signs,
            last_duration=self.duration,
            open_gop=self.open_gop,
            begins_open=self.begins_open,
            setups=self.setups.found,
            swaps_times=self.video.container.format.name == "avi",
            cut=cut,
        )

    def _note(self, packet: Any) -> None:
        number, data, stream = self.read_packets, memoryview(packet), self.bitstream
        # Few packets have any, and asking for one is slow.
        if any(packet.iter_sidedata()):
            self.setups.side_data(number, packet)
            if packet.has_sidedata("encryption_info"):
                self.encrypted += 1
                self.signs[number] = "it is encrypted"
        if packet.is_corrupt and not self.guesses:
            self.signs.setdefault(number, "the container marks data as incomplete")
        key = is_keyframe(packet, stream)
        if found := stream.damage(data):
            # What is missing before a keyframe belongs to the packets before it.
            self.signs.setdefault(number - (key and found.before), found.reason)
        pictures = stream.pictures(data)
        if stream.is_field and pictures > 0:
            pictures = 1 if pictures == 2 else UNKNOWN
        elif pictures > 1:
            pictures = UNKNOWN
        self.setups.data(number, data)
        if key and not self.open_gop:
            self.open_gop = stream.is_recovery_point(data[:_HEAD_BYTES])
            self.begins_open = self.open_gop and not self.has_keyframe
        if self.decoded:
            self._decode(packet, number, key and not self.open_gop and number > 0)
        self.has_keyframe = self.has_keyframe or key
        self.duration = packet.duration or self.duration
        self.read_packets += 1
        facts = (
            NO_PTS if packet.pts is None else packet.pts,
            NO_PTS if packet.dts is None else packet.dts,
            -1 if packet.pos is None else packet.pos,
            packet.size,
            pictures,
            pictures != 0 and not packet.is_discard,
            key,
            packet.is_corrupt,
        )
        self.facts.extend(facts)

    def _decode(self, packet: Any, number: int, later: bool) -> None:
        """Decodes the first frames, and one at a later keyframe."""
        pictures, context = self.pictures, self.video.stream.codec_context
        waiting = bool(pictures.probed) and not pictures.probes
        waiting = waiting and number <= max(pictures.probed) + _LONGEST_DELAY
        if len(pictures.pts) < self.decoded or waiting:
            if later and not pictures.probed:
                pictures.probed.add(number)
            feed(context, packet, pictures)
        elif pictures.probed:
            self.decoded = 0
        elif later:
            probe = Pictures(read=number, probed={number})
            feed(context, packet, probe)
            feed(context, None, probe)
            if not probe.signs:
                pictures.probes.update(probe.probes)
            self.decoded = 0


def is_keyframe(packet: Any, stream: Bitstream) -> bool:
    """Whether decoding may start at an ``av.Packet``."""
    return packet.is_keyframe and stream.is_keyframe(memoryview(packet)[:_HEAD_BYTES])
