"""What the tests of what runs promise share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import pytest

from beam_scanner import (
    CacheMode,
    FrameType,
    Kernel,
    PerfParams,
    register_python_op,
)
from tests.support.video_fixtures import frame_number


def run(sc, outputs, perf=None, **kwargs):
    kwargs.setdefault("cache_mode", CacheMode.Overwrite)
    return sc.run(outputs, perf or PerfParams.estimate(), show_progress=False, **kwargs)


def define(code, **names):
    """Runs code as a notebook does: as a part of ``__main__``."""
    namespace = {"__name__": "__main__", **names}
    exec(textwrap.dedent(code), namespace)
    return namespace


@register_python_op()
def SemNumber(config, frame: FrameType) -> Any:
    return frame_number(frame)


@register_python_op()
class SemScale(Kernel):
    def __init__(self, config, scale=1):
        self.scale = scale

    def new_stream(self, offset=0):
        self.offset = offset

    def execute(self, x: Any) -> Any:
        return x * self.scale + self.offset


def times_of(stream):
    """Times in seconds as stored, read without our code."""
    pq = pytest.importorskip("pyarrow.parquet")
    tables = [pq.read_table(file) for file in stream.files(".parquet")]
    rows = [row for table in tables for row in table["row"].to_pylist()]
    assert rows == list(range(len(rows)))
    return [time for table in tables for time in table["time"].to_pylist()]


@register_python_op()
def SemPaint(config, frame: FrameType, value: Any) -> FrameType:
    painted = frame.copy()
    painted[0, 0] = value % 256
    painted[0, 1] = value // 256
    return painted


@register_python_op(unbounded_state=True)
class SemTrack(Kernel):
    """How many even numbers were seen: needs every row before."""

    def reset(self):
        self.seen = 0

    def execute(self, x: Any) -> Any:
        self.seen += x % 2 == 0
        return self.seen


@register_python_op()
class SemFails(Kernel):
    def __init__(self, config, on=()):
        self.on = on

    def execute(self, x: Any) -> Any:
        if x in self.on:
            raise ValueError(f"not {x}")
        return x


@register_python_op()
def SemEmpty(config, x: Any) -> bytes:
    return b""


@register_python_op(stencil=[-1, 0])
def SemPair(config, x: Sequence[Any]) -> Any:
    return list(x)
