"""Pipelines over two short streams of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beam_scanner.transforms import (
    FrameKey,
    ReadFromNamedStream,
    Streams,
)
from tests.support.pipeline_runs import Run

ROWS = 20


def numbers(run: Run, db: Path, name: str = "x/a") -> Streams:
    return run.pipeline | ReadFromNamedStream(str(db), name, type=int)


def elements(
    name: str, values: list[Any], group: int = 0
) -> list[tuple[FrameKey, Any]]:
    return [(FrameKey(name, group, row), value) for row, value in enumerate(values)]
