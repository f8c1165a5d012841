"""A video of which some rows cannot be decoded."""

from __future__ import annotations

from pathlib import Path

import av

from beam_scanner import (
    NullElement,
)
from tests.support.video_fixtures import frame_number

FRAMES, GOP = 40, 10


def hurt(path: str, packets: range) -> None:
    """Overwrites the data of some packets, so that only decoding them tells."""
    with av.open(path) as container:
        found = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(Path(path).read_bytes())
    for number in packets:
        pos, size = found[number]
        data[pos + 40 : pos + size] = b"\xff" * (size - 40)
    Path(path).write_bytes(data)


def who(elements) -> list[int | None]:
    return [
        None if isinstance(element, NullElement) else frame_number(element)
        for element in elements
    ]


def expected(row: int) -> int | None:
    return None if 22 <= row < 30 else row
