"""Makes a database with a stream of every kind, for tests of what is stored.

``version1.tar.gz`` beside this file is what it made when databases had format
version 1; :func:`expected` has the values that each stream holds.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from beam_scanner import protobufs, types
from beam_scanner.errors import JobFailure
from beam_scanner.kernels import register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.scannerpy.client import Client
from beam_scanner.storage import NamedStream, NamedVideoStream
from beam_scanner.types import NULL, FrameType
from beam_scanner.video.encoder import VideoEncoder
from beam_scanner.video.encoding import Encoding

SIZE = (32, 48, 3)
FILM_ROWS = 24


def frame(number: int, shape: tuple[int, ...] = SIZE) -> np.ndarray:
    """A frame that differs from others, with a little detail."""
    rows, columns = np.indices(shape[:2])
    picture = (rows * 5 + columns * 3 + number * 9) % 256
    return np.stack([picture, picture[::-1], 255 - picture], axis=2).astype(np.uint8)


def _box(number: int) -> Any:
    return protobufs.BoundingBox(x1=number, y1=0.5, x2=number + 1, y2=2, label=number)


@cache
def values() -> dict[str, tuple[Any, list[Any]]]:
    """Name of each stream that is saved: its type, and its values."""
    words = ["to", "be", "", "or nöt", "日本"] * 6
    return {
        "bytes": (bytes, [w.encode() * 3 for w in words] + [NULL, b""]),
        "any": (Any, [{"a": i, "b": [None, i / 3]} for i in range(12)]),
        "whole": (int, [i**3 - 4000 for i in range(40)] + [NULL]),
        "real": (float, [i / 7 for i in range(40)]),
        "yes": (bool, [i % 3 == 0 for i in range(40)]),
        "texts/é": (str, [*words, NULL]),
        "array": (
            np.ndarray,
            [
                np.arange(12.0).reshape(3, 4),
                np.zeros((0, 5), np.int16),
                np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", ">f8")]),
                np.array(7, np.uint8),
                NULL,
            ],
        ),
        "floats": (
            types.NumpyArrayFloat32,
            [np.linspace(0, i, 9, dtype=np.float32) for i in range(9)],
        ),
        "histogram": (
            types.Histogram,
            [[np.arange(16, dtype=np.int32) * i] * 3 for i in range(8)],
        ),
        "box": (types.Bbox, [_box(i) for i in range(8)]),
        "boxes": (types.BboxList, [[_box(j) for j in range(i)] for i in range(6)]),
        "image": (types.Image, [frame(i) for i in range(3)]),
        "empty": (bytes, []),
        "video/lossless": (FrameType, [*map(frame, range(20)), NULL, frame(20)]),
        "video/sizes": (
            FrameType,
            [
                *map(frame, range(17)),
                *(frame(i, (16, 16, 3)) for i in range(17)),
                *(NULL, frame(0), frame(1, (20, 10, 3))),
            ],
        ),
        "video/exact": (
            FrameType,
            [np.full((6, 4, 2), i / 3, np.float32) for i in range(5)] + [NULL],
        ),
    }


ENCODINGS = {"video/lossless": Encoding("raw"), "video/sizes": Encoding("raw")}


def film(path: Path, first: int = 0) -> None:
    """A video file."""
    with VideoEncoder(path, Encoding("raw", keyframe_distance=8)) as encoder:
        for number in range(FILM_ROWS):
            encoder.write(frame(first + number), number / 25)


def expected() -> dict[str, list[Any]]:
    """Name of each stream, those of runs and videos too: its values."""
    films = {
        "film": [frame(i) for i in range(FILM_ROWS)],
        "copied": [frame(3 + i) for i in range(FILM_ROWS)],
        "sums": [int(frame(i).sum()) for i in range(FILM_ROWS)],
        "pairs/columns/a": [b"1", b"3"],
        "pairs/columns/b": [b"2", b"4"],
    }
    return {**{name: found for name, (_, found) in values().items()}, **films}  # type: ignore[dict-item]


@register_python_op(name="StoredSum")
def pixel_sum(config: Any, frame: FrameType) -> int:
    """All pixels of a frame."""
    return int(frame.astype(np.int64).sum())


@register_python_op(name="StoredSumUntil")
def pixel_sum_until(config: Any, frame: FrameType) -> int:
    """The same, but it stops at row 20."""
    if frame[0, 0, 0] == 20 * 9:
        raise ValueError("not this one")
    return int(frame.astype(np.int64).sum())


def in_memory() -> list[str]:
    """Runner options that start no process."""
    return ["--direct_running_mode=in_memory", "--direct_num_workers=1"]


def run_sum(
    sc: Client, source: Any, name: str, op: str = "StoredSum", **options: Any
) -> int | None:
    """Runs an op over a stream of frames."""
    frames = sc.io.Input([source])
    sums = getattr(sc.ops, op)(frame=frames)
    output = sc.io.Output(sums, [NamedStream(sc, name)])
    perf = PerfParams.manual(4, 8)
    return sc.run(output, perf, show_progress=False, **options)


def make(folder: Path, films: Path) -> None:
    """Makes the database.

    Args:
        folder: Where.
        films: Where the video is that it reads in place.
    """
    films.mkdir(parents=True, exist_ok=True)
    film(films / "film.mp4")
    film(films / "other.mp4", 3)
    with Client(db_path=str(folder), options=in_memory()) as sc:
        for name, (ty, found) in values().items():
            kind = NamedVideoStream if ty is FrameType else NamedStream
            stream = kind(sc, name)
            stream.save(
                found, ty, [i / 25 for i in range(len(found))], ENCODINGS.get(name)
            )
        NamedVideoStream(sc, "video/lossy").save(map(frame, range(30)), FrameType)
        sc.ingest_videos([("copied", str(films / "other.mp4"))])
        source = NamedVideoStream(sc, "film", path=str(films / "film.mp4"))
        run_sum(sc, source, "sums", cache_mode=CacheMode.Overwrite)
        with suppress(JobFailure):
            run_sum(sc, source, "unfinished", "StoredSumUntil")
        sc.new_table("pairs", ["a", "b"], [[b"1", b"2"], [b"3", b"4"]])
        sc.table("pairs").id()


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
