"""A graph for each feature, small enough to be run on every runner."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from beam_scanner import (
    Client,
    FrameType,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.kernels import Kernel
from beam_scanner.run.report import Report

PERF = PerfParams.manual(4, 12)
Build = Callable[[Client, Any], Any]


def _crc(*values: Any) -> int:
    return zlib.crc32(b"".join(bytes(value) for value in values))


@register_python_op(name="RunnerWindow", stencil=[-2, 0, 1])
def window(config: Any, frame: Sequence[FrameType]) -> Any:
    return _crc(*frame)


@register_python_op(name="RunnerBatch", batch=5)
def batch(config: Any, frame: Sequence[FrameType]) -> Sequence[Any]:
    return [_crc(one) for one in frame]


@register_python_op(name="RunnerPair")
def pair(config: Any, left: FrameType, right: FrameType) -> Any:
    return _crc(left, right)


@register_python_op(name="RunnerMark")
def mark(config: Any, frame: FrameType) -> Any:
    return _crc(frame)


class _Sum(Kernel):
    """The marks of all frames that it remembers."""

    def __init__(self, config: Any) -> None:
        self.reset()

    def reset(self) -> None:
        self.seen: list[int] = []

    def remember(self, frame: Any) -> None:
        self.seen.append(_crc(frame))


@register_python_op(name="RunnerBounded", bounded_state=3)
class Bounded(_Sum):
    def execute(self, frame: FrameType) -> Any:
        self.remember(frame)
        return sum(self.seen[-3:])


@register_python_op(name="RunnerUnbounded", unbounded_state=True)
class Unbounded(_Sum):
    def execute(self, frame: FrameType) -> Any:
        self.remember(frame)
        return len(self.seen), sum(self.seen)


def _slices(sc: Client, frames: Any) -> Any:
    groups = sc.streams.Slice(frames, [sc.partitioner.all(20)])
    return sc.streams.Unslice(sc.ops.RunnerUnbounded(frame=groups))


def _two_inputs(sc: Client, frames: Any) -> Any:
    back = sc.streams.Gather(frames, [list(range(95, -1, -1))])
    return sc.ops.RunnerPair(left=frames, right=back)


def _nulls(sc: Client, frames: Any) -> Any:
    some = sc.streams.RepeatNull(sc.streams.Stride(frames, [3]), [3])
    return sc.ops.RunnerWindow(frame=some)


def _sampling(sc: Client, frames: Any) -> Any:
    some = sc.streams.Repeat(sc.streams.Stride(frames, [8]), [8])
    return sc.ops.RunnerMark(frame=some)


FEATURES: dict[str, Build] = {
    "sampling": _sampling,
    "windows": lambda sc, x: sc.ops.RunnerWindow(frame=x),
    "bounded state": lambda sc, x: sc.ops.RunnerBounded(frame=x),
    "unbounded state": lambda sc, x: sc.ops.RunnerUnbounded(frame=x),
    "slices": _slices,
    "batches": lambda sc, x: sc.ops.RunnerBatch(frame=x),
    "several inputs": _two_inputs,
    "null rows": _nulls,
    "phases": lambda sc, x: sc.ops.ShotBoundaries(histograms=sc.ops.Histogram(frame=x)),
    "video output": lambda sc, x: sc.ops.Resize(frame=x, width=[32], height=[24]),
}
"""What a graph computes from the frames of ``film``: as many rows as it has frames."""


def run_features(
    names: Sequence[str], db: Path, film: str, flags: list[str]
) -> tuple[dict[str, list[bytes]], Report]:
    """Runs graphs as one run; gives the bytes of the files of each output."""
    with Client(db_path=str(db), options=flags) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        streams: dict[str, NamedStream] = {}
        outputs = []
        for name in names:
            kind = NamedVideoStream if name == "video output" else NamedStream
            streams[name] = kind(sc, name)
            made = FEATURES[name](sc, frames)
            outputs.append(sc.io.Output(made, [streams[name]]))
        number = sc.run(outputs, PERF, show_progress=False)
        assert number is not None
        found = {
            name: [Path(file).read_bytes() for file in stream.files()]
            for name, stream in streams.items()
        }
        return found, sc.report(number)


def left_over(db: Path, killed: bool = False) -> list[str]:
    """Files of runs and jobs that should have gone with the run.

    Args:
        db: The database.
        killed: Whether a worker was killed, which may leave a temporary file.
    """
    parts = (".work/jobs", ".work/runs", *(() if killed else (".tmp",)))
    found = [file for part in parts for file in Path(db).glob(f"{part}/**/*")]
    return [str(file) for file in found if file.is_file()]
