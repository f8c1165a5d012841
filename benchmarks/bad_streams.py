"""Many small streams of which some are bad, in every way that streams can be.

::

    python benchmarks/bad_streams.py --streams 2000 --share 0.05

Runs one graph over small videos twice: first where all are good, then with the bad
ones among them, which must fail right to the row while all others are committed. Prints
what the bad ones cost beside what is theirs alone: the attempts at them, and starting a
process anew after each that died or took too long. Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from beam_scanner import (
    Client,
    FrameType,
    Kernel,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import Failure

FRAMES, GOP, SIZE = 12, 4, 64
ROW = 5
"""At which a kernel misbehaves."""

HURT = range(4, 8)
"""Rows of a damaged video that cannot be decoded."""

FLAGS = [
    "--direct_running_mode=multi_processing",
    f"--direct_num_workers={os.cpu_count()}",
]


class Panic(BaseException):
    """As bindings of other languages raise them."""


def _raise(error: BaseException) -> Any:
    raise error


def _out_of_memory() -> None:
    """Takes more memory than the process may have, and is killed as systems do it."""
    try:
        bytearray(1 << 62)
    except MemoryError:
        os.kill(os.getpid(), 9)


@dataclass(frozen=True)
class Way:
    """One way to be bad.

    Attributes:
        kind: Kind of the failure.
        words: In its reason.
        act: What the kernel does; None if it gets no chance to.
        in_kernel: Whether the failure names the op and its row.
    """

    kind: str
    words: str
    act: Callable[[], Any] | None = None
    in_kernel: bool = True


WAYS = {
    "exception": Way("exception", "told to", lambda: _raise(ValueError("told to"))),
    "panic": Way("exception", "Panic", lambda: _raise(Panic("told to"))),
    "surrogate": Way("exception", "bad", lambda: _raise(ValueError("bad \udc80"))),
    "wrong return": Way("exception", "expected bytes", lambda: 1),
    "undecodable row": Way("exception", "rows 4 to 7", None, False),
    "missing file": Way("input", "", None, False),
    "signal": Way("death", "SIGSEGV", lambda: ctypes.string_at(0)),
    "exit 0": Way("death", "exit code 0", lambda: os._exit(0)),
    "out of memory": Way("death", "SIGKILL", _out_of_memory),
    "hang": Way("timeout", "task_timeout", lambda: time.sleep(3600)),
}


@register_python_op(name="BenchmarkBad")
class Bad(Kernel):
    """The mean of a frame; misbehaves at one row."""

    def __init__(self, config: Any) -> None:
        self.way = ""

    def new_stream(self, way: str = "") -> None:
        self.way = way
        self.row = 0

    def reset(self) -> None:
        self.row = 0

    def execute(self, frame: FrameType) -> bytes:
        row, self.row = self.row, self.row + 1
        act = WAYS[self.way].act if self.way else None
        if row == ROW and act is not None:
            return act()
        return b"%d" % int(frame.mean())


def make_video(path: Path) -> None:
    """A video with a keyframe every four frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = GOP
        stream.codec_context.options = {"preset": "ultrafast", "bf": "0"}
        draw = np.random.default_rng(0)
        for _ in range(FRAMES):
            picture = draw.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))


def hurt_video(path: Path) -> None:
    """Overwrites the data of a group of frames."""
    with av.open(str(path)) as container:
        found = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for number in HURT:
        position, size = found[number]
        data[position + 40 : position + size] = b"\xff" * (size - 40)
    path.write_bytes(data)


def place_videos(folder: Path, ways: Sequence[str]) -> list[Path]:
    """A video for each stream; that of a missing one is not there."""
    good = folder / "good.mp4"
    make_video(good)
    paths = [folder / f"{number}.mp4" for number in range(len(ways))]
    for way, path in zip(ways, paths, strict=True):
        if way != "missing file":
            shutil.copyfile(good, path)
        if way == "undecodable row":
            hurt_video(path)
    return paths


@dataclass
class Result:
    """What came of a run."""

    seconds: float
    failures: dict[int, Failure]
    committed: set[int]


def run(folder: Path, ways: Sequence[str], timeout: float) -> Result:
    """Runs the graph over one video for each of the ways."""
    paths = place_videos(folder, ways)
    with Client(db_path=str(folder / "db"), options=FLAGS) as sc:
        inputs = [
            NamedVideoStream(sc, f"in/{number}", path=str(path))
            for number, path in enumerate(paths)
        ]
        outputs = [NamedStream(sc, f"out/{number}") for number in range(len(ways))]
        made = sc.ops.BenchmarkBad(frame=sc.io.Input(inputs), way=list(ways))
        began = time.monotonic()
        number = sc.run(
            sc.io.Output(made, outputs),
            PerfParams.manual(FRAMES, FRAMES),
            show_progress=False,
            on_failure="return",
            task_timeout=timeout,
        )
        seconds = time.monotonic() - began
        assert number is not None
        failures = {int(f.stream.split("/")[1]): f for f in sc.report(number).failures}
        committed = {at for at, stream in enumerate(outputs) if stream.committed()}
    return Result(seconds, failures, committed)


def mistakes(ways: Sequence[str], found: Result) -> list[str]:
    """What is not as it must be."""
    wrong = []
    for number, name in enumerate(ways):
        failure = found.failures.get(number)
        if bool(name) == (number in found.committed):
            wrong.append(f"stream {number} ({name or 'good'}): committed or not")
        if not name:
            if failure is not None:
                wrong.append(f"stream {number} is good: {failure}")
            continue
        way = WAYS[name]
        if failure is None:
            wrong.append(f"stream {number} ({name}): no failure")
        elif not _is_right(failure, way, name):
            wrong.append(f"stream {number} ({name}): {failure.kind}, {failure}")
    return wrong


def _is_right(failure: Failure, way: Way, name: str) -> bool:
    if name == "missing file":
        return ".mp4" in failure.reason
    if way.words not in failure.reason:
        return False
    if not way.in_kernel:
        return failure.op is None
    place = (failure.kind, failure.op, failure.row)
    return place == (way.kind, "BenchmarkBad", ROW)


def own_cost(found: Result, workers: int) -> float:
    """Seconds that a worker spends on bad streams alone: their last attempts, thrice."""
    return (
        sum(
            failure.attempts * (failure.ended - failure.started)
            for failure in found.failures.values()
            if failure.kind in ("death", "timeout")
            and failure.started is not None
            and failure.ended is not None
        )
        / workers
    )


def choose_ways(streams: int, share: float) -> list[str]:
    """The way of each stream, '' for a good one; bad ones are spread evenly."""
    bad = max(1, round(streams * share))
    ways = [""] * streams
    for number in range(bad):
        ways[number * streams // bad] = list(WAYS)[number % len(WAYS)]
    return ways


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--streams", type=int, default=2000, help="how many")
    parser.add_argument("--share", type=float, default=0.05, help="of bad ones")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds a task")
    given = parser.parse_args(arguments)
    ways = choose_ways(given.streams, given.share)
    with tempfile.TemporaryDirectory(prefix="bad-streams-") as folder:
        (Path(folder) / "good").mkdir()
        (Path(folder) / "bad").mkdir()
        good = run(Path(folder) / "good", [""] * len(ways), given.timeout)
        bad = run(Path(folder) / "bad", ways, given.timeout)
    wrong = mistakes([""] * len(ways), good) + mistakes(ways, bad)
    own = own_cost(bad, os.cpu_count() or 1)
    rest = bad.seconds - own
    print(f"{len(ways)} good streams: {good.seconds:.1f} s")
    print(
        f"with {sum(map(bool, ways))} bad ones among them: {bad.seconds:.1f} s, "
        f"{own:.1f} s of it attempts at those that die or hang; the rest is "
        f"{100 * (rest / good.seconds - 1):+.0f} %"
    )
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    print(f"{len(wrong)} mistakes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
