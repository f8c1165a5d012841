"""Packets of videos, and packets that are written bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av

from beam_scanner.video.bitstream.registry import bitstream


def packets_of(path: Any) -> tuple[str, bytes, list[bytes]]:
    """Codec, decoder configuration and packets of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        context = stream.codec_context
        extradata = context.extradata or b""
        packets = [bytes(p) for p in container.demux(stream) if p.size]
        return context.codec.canonical_name, extradata, packets


def first_damage(codec: str, extradata: bytes, packets: Sequence[bytes]) -> int | None:
    """The number of the first packet that is found damaged."""
    check = bitstream(codec, extradata)
    for number, packet in enumerate(packets):
        if check.damage(memoryview(packet)):
            return number
    return None


class BitWriter:
    """Writes bits as H.264 does."""

    def __init__(self) -> None:
        self.text = ""

    def bits(self, value: int, count: int) -> BitWriter:
        self.text += f"{value:0{count}b}"
        return self

    def numbers(self, *values: int) -> BitWriter:
        for value in values:
            coded = f"{value + 1:b}"
            self.text += "0" * (len(coded) - 1) + coded
        return self

    def nal(self, head: int) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return bytes([head]) + int(text, 2).to_bytes(len(text) // 8, "big")
