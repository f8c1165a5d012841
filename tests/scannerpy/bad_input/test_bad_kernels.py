"""Kernels that fail, or return what they should not: which error, and what is left."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    FrameType,
    JobFailure,
    Kernel,
    NamedStream,
    NamedVideoStream,
    ScannerException,
    register_python_op,
)
from beam_scanner.types import Histogram
from tests.support.client_helpers import files_of, numbers, work_left
from tests.support.refusals import failures_of, run
from tests.support.video_fixtures import frame_number, numbered_frame

# Kernels


@register_python_op()
class BadKernel(Kernel):
    """Gives something else than it declares on row 3 of frames."""

    def __init__(self, config, what):
        self.what = what

    def execute(self, frame: FrameType) -> FrameType:
        if frame_number(frame) % 1000 != 3:
            return frame
        if self.what == "raises":
            raise KeyError("a key")
        if self.what == "exits":
            raise SystemExit(3)
        return {"none": None, "bytes": b"x", "list": [1], "object": np.array([[[{}]]])}[  # type: ignore[return-value]
            self.what
        ]


@register_python_op()
def BadHistogram(config, frame: FrameType) -> Histogram:
    return "no histogram"  # type: ignore[return-value]


@register_python_op()
def BadBytes(config, frame: FrameType) -> bytes:
    return None


@register_python_op()
def BadPair(config, frame: FrameType) -> tuple[bytes, bytes]:
    return (b"1",)  # type: ignore[return-value]


@register_python_op(batch=8)
def BadBatch(config, frame: Sequence[FrameType]) -> Sequence[bytes]:
    return [b"x"] * (len(frame) - 1)


@register_python_op(batch=8)
def BadBatchKind(config, frame: Sequence[FrameType]) -> Sequence[bytes]:
    return b"12345678"[: len(frame)]  # type: ignore[return-value]


@register_python_op(whole_stream=True)
def BadWhole(config, frame: Sequence[FrameType]) -> Sequence[bytes]:
    return []


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("raises", "KeyError: 'a key'"),
        ("none", "must be a frame .*got NoneType"),
        ("bytes", "must be a frame .*got bytes"),
        ("list", "must be a frame .*got list"),
        ("object", "dtype object"),
    ],
)
def test_kernels_that_fail_on_a_row(sc, small_video, what, reason):
    """The stream fails with op, row and traceback; the others are committed."""
    streams = [NamedVideoStream(sc, n, path=small_video) for n in ("clip", "clip2")]
    # Row 3 of the second stream's rows is not among those that are kept.
    frames = sc.streams.Range(sc.io.Input(streams), [(0, 9), (10, 19)])
    outputs = [NamedVideoStream(sc, "bad"), NamedVideoStream(sc, "good")]
    made = sc.ops.BadKernel(frame=frames, what=what)
    failures = failures_of(sc, sc.io.Output(made, outputs))
    assert len(failures) == 1
    assert (failures[0].stream, failures[0].op, failures[0].row) == (
        "bad",
        "BadKernel",
        3,
    )
    assert re.search(reason, failures[0].reason)
    if what == "raises":
        assert "test_bad_kernels.py" in failures[0].traceback
    assert "BadKernel" in str(JobFailure(failures))
    assert not outputs[0].committed()
    assert numbers(outputs[1]) == list(range(1010, 1019))
    assert not [name for name in files_of(sc.db_path) if name.startswith("bad/")]
    # Again, with the old stream in place: it survives.
    outputs[0].save([numbered_frame(1)], FrameType)
    job = run(
        sc,
        sc.io.Output(made, outputs),
        cache_mode=CacheMode.Overwrite,
        on_failure="return",
    )
    assert [f.stream for f in sc.report(job).failures] == ["bad"]
    assert numbers(outputs[0]) == [1]
    assert not outputs[0].descriptor().run


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("BadHistogram", "Histogram"),
        ("BadBytes", "NoneType"),
        ("BadPair", "2 output columns"),
        ("BadBatch", "7 elements for a call with 8 rows"),
        ("BadBatchKind", "sequence"),
        ("BadWhole", "0 elements for a call with 60 rows"),
    ],
)
def test_kernels_that_return_something_else(sc, frame, op, reason):
    made = getattr(sc.ops, op)(frame=frame)
    made = made[0] if isinstance(made, tuple) else made
    output = NamedStream(sc, "out")
    failures = failures_of(sc, sc.io.Output(made, [output]))
    assert [(f.stream, f.op, f.row) for f in failures] == [("out", op, 0)]
    assert reason in failures[0].reason
    assert not output.committed()
    assert not [name for name in files_of(sc.db_path) if name.startswith("out/")]


@register_python_op()
class BadLife(Kernel):
    def __init__(self, config, where):
        self.where = where
        self.fail("init")

    def fail(self, where):
        if where == self.where:
            raise ValueError(f"not in {where}")

    def new_stream(self, a=0):
        self.fail("new_stream")

    def reset(self):
        self.fail("reset")

    def fetch_resources(self):
        self.fail("fetch")

    def setup_with_resources(self):
        self.fail("setup")

    def close(self):
        self.fail("close")

    def execute(self, frame: FrameType) -> Any:
        return 1


@pytest.mark.parametrize("where", ["init", "new_stream", "reset", "fetch", "setup"])
def test_kernels_that_fail_before_the_first_row(sc, frame, where):
    output = NamedStream(sc, "out")
    made = sc.ops.BadLife(frame=frame, where=where)
    failures = failures_of(sc, sc.io.Output(made, [output]))
    assert [(f.stream, f.op) for f in failures] == [("out", "BadLife")]
    assert f"ValueError: not in {where}" in failures[0].reason
    assert not output.committed()


def test_a_kernel_that_fails_to_close(sc, frame):
    output = NamedStream(sc, "out")
    run(sc, sc.io.Output(sc.ops.BadLife(frame=frame, where="close"), [output]))
    assert output.len() == 60


@register_python_op()
def BadExit(config, frame: FrameType) -> bytes:
    sys.exit(3 if frame_number(frame) < 1000 else 0)


def test_a_kernel_that_leaves_the_program(sc, frame, small_video, test_video):
    """Fails its stream, like any other error."""
    streams = [
        NamedVideoStream(sc, "clip", path=small_video),
        NamedVideoStream(sc, "empty"),
    ]
    streams[1].save([], FrameType)
    outputs = [NamedStream(sc, "out"), NamedStream(sc, "good")]
    made = sc.ops.BadExit(frame=sc.io.Input(streams))
    failures = failures_of(sc, sc.io.Output(made, outputs))
    assert [(f.stream, f.row, f.reason) for f in failures] == [
        ("out", 0, "SystemExit: 0")
    ]
    assert [output.committed() for output in outputs] == [False, True]


class Unloadable:
    """Can be sent, but not be loaded."""

    def __reduce__(self):
        return _not_here, ()


def _not_here():
    raise ImportError("not on this machine")


@pytest.mark.slow
def test_arguments_that_cannot_be_sent(sc, frame):
    def graph(what):
        return sc.io.Output(
            sc.ops.BadKernel(frame=frame, what=what), [NamedVideoStream(sc, "out")]
        )

    before = files_of(sc.db_path)
    with pytest.raises(ScannerException, match=r"'what' of op BadKernel.*generator"):
        run(sc, graph(i for i in range(3)))
    assert not work_left(sc.db_path)
    added = files_of(sc.db_path) - before
    assert all(name.startswith("clip/") for name in added)
    with pytest.raises(ScannerException, match="ImportError: not on this machine"):
        run(sc, graph(Unloadable()))
    assert not sc.has_table("out")


def test_failures_can_be_returned(sc, frame):
    output = NamedStream(sc, "out")
    outputs = sc.io.Output(sc.ops.BadBytes(frame=frame), [output])
    job = run(sc, outputs, on_failure="return")
    report = sc.report(job)
    assert [f.stream for f in report.failures] == ["out"]
    assert report.committed == []
    assert not output.committed()
    assert not sc.has_table("out")
    sc.get_profile(job)


def test_many_failures_are_all_listed(sc, small_video):
    streams = [NamedVideoStream(sc, f"v{i}", path=small_video) for i in range(12)]
    frames = sc.streams.Range(
        sc.io.Input(streams), [(0, 5) if i % 2 else (10, 15) for i in range(12)]
    )
    outputs = [NamedVideoStream(sc, f"out/{i}") for i in range(12)]
    made = sc.ops.BadKernel(frame=frames, what="raises")
    failures = failures_of(sc, sc.io.Output(made, outputs))
    assert {f.stream for f in failures} == {f"out/{i}" for i in range(1, 12, 2)}
    assert [output.committed() for output in outputs] == [True, False] * 6
