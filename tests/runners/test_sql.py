"""Beam's SQL over rows that have left a graph of ours, run by a worker in Java."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.sql import SqlTransform

from beam_scanner.transforms import ReadFromVideo, Stride, op
from beam_scanner.types import FrameType
from scripts import runner_services as services
from tests.support.targets import Target, params, require
from tests.support.video_fixtures import frame_number, make_video

pytestmark = pytest.mark.slow

FRAMES = 24
QUERY = """
    SELECT `stream`, COUNT(*) AS frames, SUM(number) AS total, MAX(seconds) AS latest
    FROM PCOLLECTION WHERE number < 116 GROUP BY `stream`
"""


def _number(config: Any, frame: FrameType) -> int:
    return frame_number(frame)


Number = op(_number)


@pytest.fixture
def expansion_service(tmp_path: Path) -> Iterator[str]:
    """The address of a service for one pipeline."""
    require("sql")
    with services.SqlExpansion(tmp_path / "sql") as started:
        assert isinstance(started, services.SqlExpansion)
        yield started.address


@pytest.mark.parametrize("target", params("processes", "prism"), indirect=True)
def test_rows_are_grouped(
    target: Target, expansion_service: str, tmp_path: Path
) -> None:
    for place, name in enumerate("ab"):
        path = tmp_path / f"{name}.mp4"
        make_video(path, frames=FRAMES, gop=8, first_number=100 * place)
    with beam.Pipeline(options=PipelineOptions(target.flags(2))) as pipeline:
        rows = (
            pipeline
            | ReadFromVideo(f"{tmp_path}/*.mp4")
            | Stride(8)
            | Number()
            | beam.Select(
                stream=lambda kv: kv[0].stream,
                seconds=lambda kv: float(kv[0].pts_seconds),
                number=lambda kv: kv[1],
            )
        )
        found = rows | SqlTransform(QUERY, expansion_service=expansion_service)
        lines = found | beam.Map(
            lambda row: f"{row.stream} {row.frames} {row.total} {row.latest:.3f}"
        )
        _ = lines | beam.io.WriteToText(str(tmp_path / "found"), num_shards=1)
    (file,) = tmp_path.glob("found*")
    assert sorted(file.read_text().splitlines()) == [
        "a.mp4 3 24 0.640",
        "b.mp4 2 208 0.320",
    ]
