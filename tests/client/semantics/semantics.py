"""What the tests of what runs promise share."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from video_fixtures import frame_number

from beam_scanner import (
    CacheMode,
    FrameType,
    Kernel,
    PerfParams,
    register_python_op,
)


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
