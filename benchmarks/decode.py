"""How fast readers of video give frames by row, side by side.

``python benchmarks/decode.py [--runs 5] [--only JOB]``. Each run is a process of its
own that opens the file, knows its frames and reads rows with one thread; what is timed
is that, without the imports. The readers run in turn, and a ratio is the median of
the ratios of neighbours. Readers whose package is not installed are left out.

Jobs: all rows; every eighth; 64 scattered; 8 ranges of 32; and the scattered rows
again with an index that is there already, as in all runs but the first.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import videos

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "benchmarks"
JOBS = ("all", "every eighth", "scattered", "ranges")
PACKAGES = {"pyav": "av", "opencv": "cv2"}


def rows_of(job: str, frames: int) -> list[int]:
    draw = random.Random(3)
    if job == "all":
        return list(range(min(frames, 2500)))
    if job == "every eighth":
        return list(range(0, min(frames, 2500), 8))
    if job == "ranges":
        starts = sorted(draw.sample(range(0, frames - 32, 64), min(8, frames // 128)))
        return [row for start in starts for row in range(start, start + 32)]
    return sorted(draw.sample(range(frames), min(64, frames)))


def ours(path: str, rows: list[int], index: str) -> int:
    from beam_scanner.video.decoder import VideoDecoder
    from beam_scanner.video.index import FrameIndex, index_video

    known = FrameIndex.from_bytes(Path(index).read_bytes()) if index else None
    with VideoDecoder(path, known or index_video(path)) as decoder:
        return sum(int(frame[0, 0, 0]) for frame in decoder.read(rows))


def pyav(path: str, rows: list[int], index: str) -> int:
    """By hand: one pass where rows are near, else a seek for each."""
    import av

    total = 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if rows[-1] < 20 * len(rows):
            wanted = set(rows)
            for row, frame in enumerate(container.decode(stream)):
                if row in wanted:
                    total += int(frame.to_ndarray(format="rgb24")[0, 0, 0])
                if row == rows[-1]:
                    break
            return total
        step = 1 / (stream.average_rate * stream.time_base)
        last = -2
        for row in rows:
            at = (stream.start_time or 0) + round(row * step)
            if row != last + 1:
                container.seek(at, stream=stream)
                frames = container.decode(stream)
            for frame in frames:
                if frame.pts >= at:
                    total += int(frame.to_ndarray(format="rgb24")[0, 0, 0])
                    break
            last = row
    return total


def opencv(path: str, rows: list[int], index: str) -> int:
    import cv2

    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    total, last = 0, -1
    for row in rows:
        if row - last > 32 or row <= last:
            capture.set(cv2.CAP_PROP_POS_FRAMES, row)
        else:
            for _ in range(row - last - 1):
                capture.grab()
        total += int(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)[0, 0, 0])
        last = row
    return total


def decord(path: str, rows: list[int], index: str) -> int:
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    # All at once would take gigabytes.
    batches = [rows[i : i + 64] for i in range(0, len(rows), 64)]
    return sum(int(reader.get_batch(b).asnumpy()[:, 0, 0, 0].sum()) for b in batches)


def torchcodec(path: str, rows: list[int], index: str) -> int:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
    batches = [rows[i : i + 64] for i in range(0, len(rows), 64)]
    frames = (decoder.get_frames_at(batch).data.numpy() for batch in batches)
    return sum(int(batch[:, 0, 0, 0].sum(dtype=int)) for batch in frames)


READERS: dict[str, Callable[[str, list[int], str], int]] = {
    "ours": ours,
    "pyav": pyav,
    "opencv": opencv,
    "decord": decord,
    "torchcodec": torchcodec,
}


def ask(reader: str, job: str, path: str, frames: str, index: str) -> None:
    """In a process of its own."""
    if reader == "ours":
        import beam_scanner.video.decoder  # noqa: F401
    else:
        importlib.import_module(PACKAGES.get(reader, reader))
    rows = rows_of(job, int(frames))
    wall, cpu = time.perf_counter(), time.process_time()
    READERS[reader](path, rows, index)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    print("seconds", json.dumps(seconds))


def measure(*command: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--ask", *command], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr}")
    line = next(x for x in done.stdout.splitlines() if x.startswith("seconds "))
    wall, cpu = json.loads(line.removeprefix("seconds "))
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", action="append", choices=JOBS)
    parser.add_argument("--ask", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        ask(*args.ask)
        return
    from beam_scanner.video.index import index_video

    path = str(videos.repeat(CACHE / "30x.mp4", 30))
    known = index_video(path)
    readers = [r for r in READERS if r == "ours" or _installed(r)]
    print("| rows | " + " | ".join(readers[1:]) + " |")
    print("|---" * len(readers) + "|")
    with tempfile.NamedTemporaryFile() as stored:
        Path(stored.name).write_bytes(known.to_bytes())
        jobs = [(job, "") for job in args.only or JOBS]
        for job, index in [*jobs, ("scattered", stored.name)]:
            found: dict[str, list[tuple[float, float]]] = {r: [] for r in readers}
            for _ in range(args.runs):
                for reader in readers:
                    known_to = index if reader == "ours" else ""
                    command = (reader, job, path, str(len(known)), known_to)
                    found[reader].append(measure(*command))
            cells = [_ratios(found["ours"], found[r]) for r in readers[1:]]
            name = f"{job}, indexed before" if index else job
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def _installed(reader: str) -> bool:
    return importlib.util.find_spec(PACKAGES.get(reader, reader)) is not None


def _ratios(mine: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> str:
    """Their time by ours: of the clock, and of the processor."""
    pairs = list(zip(mine, theirs, strict=True))
    return " / ".join(
        f"{statistics.median(b[i] / a[i] for a, b in pairs):.2f}" for i in (0, 1)
    )


if __name__ == "__main__":
    main()
