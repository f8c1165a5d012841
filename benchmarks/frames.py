"""What it costs to have frames decoded ahead by processes, beside decoding alone.

``python benchmarks/frames.py [--pairs 5]``. Each side is a process of its own that makes
RGB frames of the same rows with as many processes as there are cores. They run in turn,
and a ratio is the median of the ratios of neighbours, so that a machine whose speed
drifts favours nobody: by the clock, and of processor time, start-up included. The sides:

* ours: ``beam_scanner.data.Frames``, in the order that is asked for, into one process;
* decoding: each process decodes its part of the film with our decoder, and drops it;
* by hand: the same with a loop of PyAV, which for rows in any order seeks to each.

Two H.264 files are made of one natural clip, 640x272: a keyframe every 12 frames, and one
every 250. The jobs: all frames in order; 200 rows in any order. ``--side`` runs one side
once, to be measured from outside.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import videos

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "benchmarks"
GOPS = (12, 250)
COPIES, ROWS, CHUNK = 16, 200, 64
JOBS = ("all", "any order")
CORES = len(os.sched_getaffinity(0))


def rows_of(job: str, frames: int) -> list[int]:
    return (
        list(range(frames))
        if job == "all"
        else random.Random(3).choices(range(frames), k=ROWS)
    )


def ours(path: str, job: str, index: bytes) -> None:
    from beam_scanner.data import Frames
    from beam_scanner.video import VideoReader
    from beam_scanner.video.index import FrameIndex

    video = VideoReader(path, FrameIndex.from_bytes(index))
    rows = rows_of(job, len(video))
    with Frames(video, rows, CHUNK, workers=CORES) as frames:
        assert sum(len(found) for found, _ in frames) == len(rows)


def decoding(path: str, job: str, index: bytes) -> None:
    _in_parts(_decode, path, job, index)


def by_hand(path: str, job: str, index: bytes) -> None:
    _in_parts(_seek if job != "all" else _loop, path, job, index)


def _in_parts(
    read: Callable[[str, list[int], bytes], None], path: str, job: str, index: bytes
) -> None:
    import av

    with av.open(path) as container:
        frames = container.streams.video[0].frames
    rows = sorted(rows_of(job, frames))
    size = -(-len(rows) // CORES)
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=read, args=(path, p, index)) for p in parts]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0


def _decode(path: str, rows: list[int], index: bytes) -> None:
    from beam_scanner.video.decoder import VideoDecoder
    from beam_scanner.video.index import FrameIndex

    with VideoDecoder(path, FrameIndex.from_bytes(index)) as decoder:
        for _ in decoder.read(sorted(set(rows))):
            pass


def _loop(path: str, rows: list[int], index: bytes) -> None:
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        step = 1 / (stream.average_rate * stream.time_base)
        start = (stream.start_time or 0) + round(rows[0] * step)
        end = (stream.start_time or 0) + round(rows[-1] * step)
        container.seek(start, stream=stream)
        for frame in container.decode(stream):
            if frame.pts > end:
                return
            if frame.pts >= start:
                frame.to_ndarray(format="rgb24")


def _seek(path: str, rows: list[int], index: bytes) -> None:
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        step = 1 / (stream.average_rate * stream.time_base)
        random.Random(4).shuffle(rows)
        for row in rows:
            at = (stream.start_time or 0) + round(row * step)
            container.seek(at, stream=stream)
            for frame in container.decode(stream):
                if frame.pts >= at:
                    frame.to_ndarray(format="rgb24")
                    break


SIDES = {"ours": ours, "decoding": decoding, "by hand": by_hand}


def make_file(gop: int, copies: int) -> tuple[Path, Path]:
    """A file with that distance of keyframes, and its stored index."""
    from beam_scanner.video.indexing import index_video

    clip = videos.reencoded(CACHE / f"gop{gop}.mp4", gop)
    path = videos.repeat(CACHE / f"gop{gop}-{copies}x.mp4", copies, clip)
    stored = path.with_suffix(".index")
    stored.write_bytes(index_video(path).to_bytes())
    return path, stored


def measure(side: str, path: Path, job: str) -> tuple[float, float]:
    """The seconds that a side takes, by the clock and of all its processes."""
    command = [sys.executable, __file__, "--side", side, "--of", str(path), job]
    before, began = _spent(), time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began, _spent() - before


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cell(times: list[list[tuple[float, float]]], side: int) -> str:
    ratios = (statistics.median(r[0][i] / r[side][i] for r in times) for i in (0, 1))
    return " / ".join(f"{ratio:.2f}" for ratio in ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--copies", type=int, default=COPIES, help="length of the files"
    )
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--of", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        path, job = args.of
        SIDES[args.side](path, job, Path(path).with_suffix(".index").read_bytes())
        return
    print("| keyframe every | rows | ours | of decoding | of PyAV by hand |")
    print("| --- | --- | --- | --- | --- |")
    for gop in GOPS:
        path, _ = make_file(gop, args.copies)
        for job in JOBS:
            times = [
                [measure(side, path, job) for side in SIDES] for _ in range(args.pairs)
            ]
            seconds = (statistics.median(row[0][i] for row in times) for i in (0, 1))
            middle = " / ".join(f"{each:.2f} s" for each in seconds)
            cells = [gop, job, middle, _cell(times, 1), _cell(times, 2)]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
