"""How fast readers of video give frames by row, side by side, in one run.

``python benchmarks/decode.py [--runs 3] [--page docs/comparison.md]``. Each time is
that of a process of its own, imports excluded, that opens a file, learns its frames
and reads rows; the readers run in turn, and a ratio is the median of the ratios of
neighbours. Readers whose package is not installed are left out. ``--scale 0.05`` tries
everything on short files.

Two H.264 files are made of one natural clip: a keyframe every 12 frames, and one
every 250. The jobs: the first rows one after the other; every eighth of these; 64
scattered over the file; 8 ranges of 32; and the scattered rows with an index that is
there already, as in all runs but the first. Then what an index costs, beside the
packets read by hand, and what threads in a decoder gain.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import videos

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "benchmarks"
BEGIN, END = "<!-- speed -->", "<!-- end of speed -->"
GOPS = (12, 250)
DENSE, COPIES = 1250, 20
JOBS = ("one after the other", "every eighth", "scattered", "ranges of 32")
KNOWN = "scattered, indexed before"
PACKAGES = {"PyAV": "av", "OpenCV": "cv2"}
STREAMS = 4

Task = Callable[[str, str, str], None]
"""Of a file, the name of a job, and the path of a stored index ('' for none)."""


def rows_of(job: str, frames: int) -> list[int]:
    draw, some = random.Random(3), min(frames, DENSE)
    if job == JOBS[0]:
        return list(range(some))
    if job == JOBS[1]:
        return list(range(0, some, 8))
    if job == JOBS[3]:
        starts = sorted(draw.sample(range(0, frames - 32, 64), min(8, frames // 128)))
        return [row for start in starts for row in range(start, start + 32)]
    return sorted(draw.sample(range(frames), min(64, frames)))


# --- the readers: each makes RGB frames of ascending rows, with one thread -------------


def ours(path: str, rows: list[int], index: str) -> None:
    from beam_scanner.video.decoder import VideoDecoder
    from beam_scanner.video.index import FrameIndex
    from beam_scanner.video.indexing import index_video

    known = FrameIndex.from_bytes(Path(index).read_bytes()) if index else None
    with VideoDecoder(path, known or index_video(path)) as decoder:
        for _ in decoder.read(rows):
            pass


def pyav(path: str, rows: list[int], index: str) -> None:
    """By hand: one pass where rows are near, else a seek for each."""
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if rows[-1] < 20 * len(rows):
            wanted = set(rows)
            for row, frame in enumerate(container.decode(stream)):
                if row in wanted:
                    frame.to_ndarray(format="rgb24")
                if row == rows[-1]:
                    return
        step = 1 / (stream.average_rate * stream.time_base)
        last = -2
        for row in rows:
            at = (stream.start_time or 0) + round(row * step)
            if row != last + 1:
                container.seek(at, stream=stream)
                frames = container.decode(stream)
            for frame in frames:
                if frame.pts >= at:
                    frame.to_ndarray(format="rgb24")
                    break
            last = row


def opencv(path: str, rows: list[int], index: str) -> None:
    import cv2

    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    last = -1
    for row in rows:
        if row - last > 32 or row <= last:
            capture.set(cv2.CAP_PROP_POS_FRAMES, row)
        else:
            for _ in range(row - last - 1):
                capture.grab()
        cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        last = row


def decord(path: str, rows: list[int], index: str) -> None:
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    # All at once would take gigabytes.
    for i in range(0, len(rows), 64):
        reader.get_batch(rows[i : i + 64]).asnumpy()


def torchcodec(path: str, rows: list[int], index: str) -> None:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
    for i in range(0, len(rows), 64):
        decoder.get_frames_at(rows[i : i + 64]).data.numpy()


READERS: dict[str, Callable[[str, list[int], str], None]] = {
    "beam_scanner": ours,
    "PyAV": pyav,
    "OpenCV": opencv,
    "decord": decord,
    "torchcodec": torchcodec,
}


def _reads(reader: str) -> Task:
    def run(path: str, job: str, index: str) -> None:
        name, _, frames = job.rpartition("|")
        READERS[reader](path, rows_of(name, int(frames)), index)

    return run


# --- what an index costs ---------------------------------------------------------------


def packets(path: str, job: str, index: str) -> None:
    """What ``ffprobe -show_packets`` reads: of each packet its times and flags."""
    import av

    with av.open(path) as container:
        for packet in container.demux(container.streams.video[0]):
            _ = packet.pts, packet.dts, packet.size, packet.is_keyframe


def frames(path: str, job: str, index: str) -> None:
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def indexed(path: str, job: str, index: str) -> None:
    from beam_scanner.video.indexing import index_video

    index_video(path)


def verified(path: str, job: str, index: str) -> None:
    from beam_scanner.video.indexing import index_video

    index_video(path, verify=True)


def loaded(path: str, job: str, index: str) -> None:
    from beam_scanner.video.index import FrameIndex

    FrameIndex.from_bytes(Path(index).read_bytes())


INDEXING: dict[str, Task] = {
    "packets, read by hand": packets,
    "index": indexed,
    "index that is stored, loaded": loaded,
    "all frames, decoded by hand": frames,
    "index with `verify=True`": verified,
}

# --- threads in a decoder --------------------------------------------------------------

THREADS = ("NONE", "SLICE", "FRAME")


def _threaded(kind: str) -> Task:
    def run(path: str, job: str, index: str) -> None:
        from beam_scanner.video.decoder import VideoDecoder
        from beam_scanner.video.index import FrameIndex

        class Threaded(VideoDecoder):
            def _open(self) -> None:
                super()._open()
                assert self._video is not None
                if kind != "NONE":
                    self._video.stream.thread_type = kind
                    self._video.stream.codec_context.thread_count = os.cpu_count() or 1

        name, _, frames = job.rpartition("|")
        name, _, streams = name.rpartition("|")
        known = FrameIndex.from_bytes(Path(index).read_bytes())
        rows = rows_of(name, int(frames))

        def read(_: int) -> None:
            with Threaded(path, known) as decoder:
                for _frame in decoder.read(rows):
                    pass

        # As many side by side as there are cores, which is what runs do.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(read, range(int(streams))))

    return run


# --- measuring -------------------------------------------------------------------------

TASKS: dict[str, Task] = {
    **{f"read {name}": _reads(name) for name in READERS},
    **{f"index {name}": task for name, task in INDEXING.items()},
    **{f"threads {kind}": _threaded(kind) for kind in THREADS},
}


def ask(task: str, path: str, job: str, index: str) -> None:
    """In a process of its own: the seconds that a task takes, also of processors."""
    kind, _, name = task.partition(" ")
    if kind == "read" and name != "beam_scanner":
        importlib.import_module(PACKAGES.get(name, name))
    else:
        for module in ("decoder", "salvage", "scan"):
            importlib.import_module(f"beam_scanner.video.{module}")
    wall, cpu = time.perf_counter(), time.process_time()
    TASKS[task](path, job, index)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    print("seconds", json.dumps(seconds))


Seconds = tuple[float, float]
"""Of the clock, and of the processors."""


def measure(task: str, path: Path, job: str = "", index: Path | None = None) -> Seconds:
    asked = [task, str(path), job, str(index or "")]
    command = [sys.executable, __file__, "--ask", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{asked}\n{done.stderr}")
    line = next(x for x in done.stdout.splitlines() if x.startswith("seconds "))
    wall, cpu = json.loads(line.removeprefix("seconds "))
    return wall, cpu


def in_turn(runs: int, calls: list[Callable[[], Seconds]]) -> list[list[Seconds]]:
    """The times of each call, made one after the other, ``runs`` times."""
    return [[call() for call in calls] for _ in range(runs)]


def _clock(found: list[list[Seconds]], call: int) -> float:
    return statistics.median(row[call][0] for row in found)


def _ratio(found: list[list[Seconds]], call: int, which: int) -> float:
    """Of the time of a call by that of the first, run by run."""
    return statistics.median(row[call][which] / row[0][which] for row in found)


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def make_file(gop: int, scale: float) -> tuple[Path, Path, int]:
    """A file with that distance of keyframes, its stored index, and its length."""
    from beam_scanner.video.indexing import index_video

    copies = max(1, round(COPIES * scale))
    clip = videos.reencoded(CACHE / f"gop{gop}.mp4", gop)
    path = videos.repeat(CACHE / f"gop{gop}-{copies}x.mp4", copies, clip)
    index = index_video(path)
    stored = path.with_suffix(".index")
    stored.write_bytes(index.to_bytes())
    return path, stored, len(index)


def read_table(runs: int, scale: float) -> str:
    readers = [name for name in READERS if _installed(name)]
    rows = []
    for gop in GOPS:
        path, stored, length = make_file(gop, scale)
        for job in (*JOBS, KNOWN):
            index = stored if job == KNOWN else None
            calls = [
                lambda n=name, p=path, j=job, i=index, k=length: measure(
                    f"read {n}", p, f"{j}|{k}", i if n == "beam_scanner" else None
                )
                for name in readers
            ]
            found = in_turn(runs, calls)
            rows.append([str(gop), job, f"{_clock(found, 0):.2f} s"])
            for i in range(1, len(readers)):
                ratios = (_ratio(found, i, which) for which in (0, 1))
                rows[-1].append(" / ".join(f"{ratio:.2f}" for ratio in ratios))
            print(rows[-1], file=sys.stderr, flush=True)
    return table(["keyframe every", "rows", *readers], rows)


def index_table(runs: int, scale: float) -> str:
    rows = []
    for gop in GOPS:
        path, stored, _ = make_file(gop, scale)
        calls = [
            lambda n=name, p=path, s=stored: measure(f"index {n}", p, "", s)
            for name in INDEXING
        ]
        found = in_turn(runs, calls)
        times = [1000 * _clock(found, i) for i in range(len(calls))]
        rows.append([str(gop), *(f"{time:.1f} ms" for time in times)])
        print(rows[-1], file=sys.stderr, flush=True)
    return table(["keyframe every", *INDEXING], rows)


def thread_table(runs: int, scale: float) -> str:
    rows = []
    for gop in GOPS:
        path, stored, length = make_file(gop, scale)
        for job in (JOBS[0], JOBS[2]):
            for streams in (1, STREAMS):
                calls = [
                    lambda k=kind, p=path, j=f"{job}|{streams}|{length}", s=stored: (
                        measure(f"threads {k}", p, j, s)
                    )
                    for kind in THREADS
                ]
                found = in_turn(runs, calls)
                rows.append([str(gop), job, str(streams), f"{_clock(found, 0):.2f} s"])
                rows[-1] += [f"{1 / _ratio(found, i, 0):.2f}" for i in (1, 2)]
                print(rows[-1], file=sys.stderr, flush=True)
    heads = ["keyframe every", "rows", "streams", "no threads"]
    return table([*heads, "slice threads", "frame threads"], rows)


def report(runs: int, scale: float) -> str:
    frames = max(1, round(COPIES * scale)) * 250
    size = f"{frames:,} frames, 640x272, {os.cpu_count()} cores, medians of {runs}"
    what = (
        f"Two H.264 files of {size}. The seconds that beam_scanner takes with one "
        "thread, and how many times as long each of the others takes, by the clock "
        "and of the processor:"
    )
    threads = (
        "Threads in a decoder: the seconds without, and how many times as fast it is "
        f"with them. {STREAMS} streams are read side by side, one a core:"
    )
    parts = [what, read_table(runs, scale), "What an index costs:"]
    parts += [index_table(runs, scale), threads, thread_table(runs, scale)]
    return "\n\n".join(parts)


def _installed(reader: str) -> bool:
    name = PACKAGES.get(reader, reader)
    return importlib.util.find_spec(name) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="length of the files")
    parser.add_argument("--page", type=Path, help="a page whose tables to replace")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ask:
        ask(*json.loads(args.ask))
        return
    text = report(args.runs, args.scale)
    print(text)
    if args.page:
        page = args.page.read_text()
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        args.page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    main()
