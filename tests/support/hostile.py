"""Files that claim more than they are, made by patching small real ones.

``python -m tests.support.hostile FOLDER SEED`` writes them, for a look at them.
"""

from __future__ import annotations

import random
import struct
import sys
import wave
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.support.video_fixtures import make_video

MANY = 20_000_000


def box(data: bytes | bytearray, kind: bytes) -> int:
    """Where the content of a box begins."""
    found = data.find(kind)
    assert found > 0, kind
    return found + 4


def set32(data: bytearray, at: int, value: int) -> None:
    """Writes a number as MP4 has it."""
    data[at : at + 4] = struct.pack(">I", value)


def table(kind: bytes, *numbers: tuple[int, int]) -> Callable[[bytearray], None]:
    """Patches numbers at places behind the head of a box."""

    def patch(data: bytearray) -> None:
        start = box(data, kind)
        for place, number in numbers:
            set32(data, start + place, number)

    return patch


def _run(data: bytearray) -> None:
    start = box(data, b"trun")
    data[start + 1 : start + 4] = bytes(3)
    set32(data, start + 4, MANY)


def _no_size(data: bytearray) -> None:
    """An AVC sample entry of 65535x65535 pixels."""
    start = box(data, b"avc1")
    data[start + 24 : start + 28] = b"\xff" * 4


MP4 = {
    "constant_size": table(b"stsz", (4, 1), (8, MANY)),
    "constant_large": table(b"stsz", (4, 1 << 30), (8, MANY)),
    "all_empty": table(b"stsz", (8, MANY)),
    "many_sizes": table(b"stsz", (8, 0xFFFFFFFF)),
    "many_times": table(b"stts", (4, 0x0FFFFFFF)),
    "long_run": table(b"stts", (8, 0xFFFFFFFF)),
    "long_duration": table(b"stts", (12, 0xFFFFFFFF)),
    "many_offsets": table(b"ctts", (4, 0x0FFFFFFF)),
    "far_offset": table(b"ctts", (12, 0x7FFFFFFF)),
    "many_chunks": table(b"stco", (4, 0x0FFFFFFF)),
    "a_chunk_of_many": table(b"stsc", (12, 0xFFFFFFFF)),
    "many_chunk_runs": table(b"stsc", (4, 0x0FFFFFFF)),
    "many_keyframes": table(b"stss", (4, 0x0FFFFFFF)),
    "many_edits": table(b"elst", (4, 0x0FFFFFFF)),
    "fast_clock": table(b"mdhd", (12, 0xFFFFFFFF)),
    "no_clock": table(b"mdhd", (12, 0)),
    "large_entry": _no_size,
}
FRAGMENTED = {
    "many_in_a_run": _run,
    "default_of_many": table(b"trun", (4, MANY)),
}


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG file of one bit a pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body))
            + kind
            + body
            + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def zeros(size: int) -> bytes:
    """``size`` zeros, compressed without ever being there."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 20)
    parts = [packer.compress(piece) for _ in range(size >> 20)]
    return b"".join(
        [*parts, packer.compress(piece[: size % (1 << 20)]), packer.flush()]
    )


def edits(short: bytes, count: int, samples: int) -> bytes:
    """An MP4 whose edits each show all of a track of many samples."""
    data = bytearray(short)
    table(b"stsz", (4, 1), (8, samples))(data)
    table(b"stts", (4, 1), (8, samples), (12, 1))(data)
    entry = struct.pack(">IiI", 1 << 20, 0, 1 << 16)
    new = struct.pack(">I4sII", 16 + 12 * count, b"elst", 0, count) + entry * count
    return replace_box(bytes(data), b"elst", new, (b"edts", b"trak", b"moov"))


def doubled(short: bytes) -> bytes:
    """An MP4 with a second table of sizes behind the first."""
    start = box(short, b"stsz") - 8
    own = short[start : start + int.from_bytes(short[start : start + 4], "big")]
    second = struct.pack(">I4sIII", 20, b"stsz", 0, 1, MANY)
    parents = (b"stbl", b"minf", b"mdia", b"trak", b"moov")
    return replace_box(short, b"stsz", own + second, parents)


def replace_box(
    data: bytes, kind: bytes, new: bytes, parents: tuple[bytes, ...]
) -> bytes:
    """An MP4, whose pictures come before its index, with another box."""
    patched = bytearray(data)
    start = box(data, kind) - 8
    old = int.from_bytes(data[start : start + 4], "big")
    patched[start : start + old] = new
    for parent in parents:
        at = box(data, parent) - 8
        size = int.from_bytes(data[at : at + 4], "big")
        set32(patched, at, size + len(new) - old)
    return bytes(patched)


def _images() -> Iterator[tuple[str, bytes]]:
    yield "bomb.png", png(12_000, 12_000, zeros(12_000 * 36_001))
    yield "claims.png", png(0x7FFFFFFF, 0x7FFFFFFF, zlib.compress(bytes(100)))
    yield "tall.png", png(1, 0x7FFFFFFF, zlib.compress(bytes(100)))
    # Start of image, a frame of 65500x65500, a scan without data.
    frame = struct.pack(">HBHHB", 17, 8, 65500, 65500, 3)
    parts = b"\1\x22\0\2\x11\0\3\x11\0"
    yield (
        "claims.jpg",
        b"\xff\xd8\xff\xc0"
        + frame
        + parts
        + b"\xff\xda\0\x0c\3\1\0\2\0\3\0\0?\0\0\xff\xd9",
    )
    screen = struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    place = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    yield "claims.gif", b"GIF89a" + screen + (place + b"\2\2\x4c\1\0") * 4 + b";"
    head = struct.pack("<IIHHIIiiII", 40, 60_000, 60_000 & 0x7FFF, 1, 24, 0, 0, 0, 0, 0)
    yield "claims.bmp", b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + head + bytes(46)
    yield "claims.y4m", b"YUV4MPEG2 W60000 H60000 F25:1 C420\nFRAME\n" + bytes(1000)
    yield "tiny.y4m", b"YUV4MPEG2 W99999999 H1 F25:1\nFRAME\n" + bytes(1000)
    yield "claims.ppm", b"P6 60000 60000 255\n" + bytes(1000)
    yield (
        "claims.webp",
        (
            b"RIFF"
            + struct.pack("<I", 22)
            + b"WEBPVP8X"
            + struct.pack("<I", 10)
            + b"\2\0\0\0"
            + b"\xff\x3f\0" * 2
        ),
    )
    yield (
        "claims.qoi",
        b"qoif" + struct.pack(">IIBB", 60_000, 60_000, 3, 0) + b"\xfd" * 99,
    )


def write(folder: Path, seed: int) -> list[Path]:
    """Writes the files; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    whole = make_video(folder / "sound.mp4", 40, size=(64, 48), gop=10, bframes=2)
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    pieces = make_video(
        folder / "sound_pieces.mp4", 40, size=(64, 48), container_options=options
    )
    made = [Path(whole), Path(pieces)]

    def add(name: str, data: bytes | bytearray) -> None:
        made.append(folder / name)
        made[-1].write_bytes(data)

    for source, patches in ((whole, MP4), (pieces, FRAGMENTED)):
        for name, patch in patches.items():
            patched = bytearray(Path(source).read_bytes())
            patch(patched)
            add(f"{name}.mp4", patched)
    add("edits.mp4", edits(Path(whole).read_bytes(), 5000, 60_000))
    add("second_table.mp4", doubled(Path(whole).read_bytes()))
    for name, data in _images():
        add(name, data)
    for extension in ("mkv", "avi", "ts", "flv", "mp4", "mpg", "ogv", "asf", "nut"):
        codec = {"mpg": "mpeg2video", "ogv": "vp8", "flv": "flv"}.get(extension)
        kind = {"ogv": "ogg"}.get(extension)
        path = make_video(
            folder / f"source.{extension}",
            12,
            size=(64, 48),
            codec=codec or "mpeg4",
            container_format=kind,
        )
        whole_file = Path(path).read_bytes()
        for number in range(3):
            damaged = bytearray(whole_file)
            # Sizes and counts are mostly in the head.
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(min(len(damaged), 1500) - 4)
                damaged[at : at + chance.choice((1, 2, 4))] = b"\xff" * 4
            add(f"large_{number}.{extension}", damaged)
    with wave.open(str(folder / "source.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.zeros(8000, "<i2").tobytes())
    channels = bytearray((folder / "source.wav").read_bytes())
    channels[22:24] = b"\xff\xff"
    add("channels.wav", channels)
    return made


if __name__ == "__main__":
    print(*write(Path(sys.argv[1]), int(sys.argv[2])), sep="\n")
