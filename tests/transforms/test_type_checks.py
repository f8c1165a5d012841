"""Pipelines in which Beam checks types while it runs, and failures as rows."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.dataframe.convert import to_dataframe, to_pcollection
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.typehints.row_type import RowTypeConstraint

from beam_scanner.elements.records import Written
from beam_scanner.errors import Failure
from beam_scanner.transforms import (
    FrameKey,
    Histogram,
    ReadAllFromNamedStream,
    ReadAllFromVideo,
    RepeatNull,
    Resize,
    ShotBoundaries,
    Slice,
    Stride,
    Unslice,
    VideoGraph,
    WriteToNamedStream,
    WriteToNamedVideo,
    partitioner,
)
from beam_scanner.types import FrameType
from tests.support.small_runs import IN_MEMORY

# The second compares all outputs of a step with what one reader takes, so with it
# Beam fails where a step that has an output for failures uses that.
CHECKS = {
    "--runtime_type_check": "/no/such.mp4",
    "--performance_runtime_type_check": "",
}


# Beam reads the annotations: no strings.
def _reason(failure: Any) -> str:
    return f"{failure.stream}: {failure.reason}"


_reason.__annotations__ = {"failure": Failure, "return": str}


@pytest.mark.parametrize("check", CHECKS)
def test_types_are_those_of_the_elements(
    check: str, films: Path, tmp_path: Path
) -> None:
    paths = list(filter(None, [str(films / "a.mp4"), CHECKS[check]]))
    options = PipelineOptions([*IN_MEMORY, check])

    def graph(found: Any) -> dict[str, Any]:
        made = found | ReadAllFromVideo() | Stride(36) | Histogram()
        return {
            "rows": made,
            "stored": made | WriteToNamedStream(str(tmp_path), "v/{stream}"),
        }

    with beam.Pipeline(options=options) as pipeline:
        given = pipeline | beam.Create(paths)
        frames = given | ReadAllFromVideo()
        some = frames | "Some" >> Stride(24)
        rgb = frames | "Rgb" >> Histogram()
        groups = frames | Slice(partitioner.all(24)) | "Two" >> Stride(12)
        written = {
            "small": some
            | Resize(width=8, height=6)
            | WriteToNamedVideo(str(tmp_path), "s/{stream}"),
            "shots": rgb
            | ShotBoundaries()
            | "Shots" >> WriteToNamedStream(str(tmp_path), "b/{stream}"),
            "groups": groups
            | Unslice()
            | "G" >> WriteToNamedVideo(str(tmp_path), "g/{stream}"),
            "elements": some
            | beam.Map(lambda row: row).with_output_types(tuple[FrameKey, typing.Any])
            | "E" >> WriteToNamedVideo(str(tmp_path), "e/{stream}"),
        }
        rows = {
            "some": some,
            "groups": groups,
            "nulls": some | RepeatNull(2),
            "rgb": rgb,
        }
        counts = [
            each | f"Count {name}" >> beam.combiners.Count.Globally()
            for name, each in rows.items()
        ]
        assert_that(counts | beam.Flatten(), equal_to([3, 6, 6, 72]), "Counts")
        outer = given | VideoGraph(graph)
        written["graph"] = outer["stored"]
        names = written["small"].commits | ReadAllFromNamedStream(
            str(tmp_path), FrameType
        )
        assert_that(names | beam.combiners.Count.Globally(), equal_to([3]), "Stored")
        for name, each in written.items():
            assert isinstance(each, Written)
            assert each.failures.element_type is Failure
            told = each.failures | f"Why {name}" >> beam.Map(_reason)
            none = name == "elements" or not CHECKS[check]
            wanted = [] if none else ["/no/such.mp4: no file matches '/no/such.mp4'"]
            assert_that(told, equal_to(wanted), f"Failures {name}")


def test_failures_are_rows(tmp_path: Path) -> None:
    fields = RowTypeConstraint.from_user_type(Failure)
    assert dict(fields._fields).keys() == set(Failure._fields)
    with beam.Pipeline("FnApiRunner") as pipeline:
        made = pipeline | beam.Create(["/no/a.mp4", "/no/b.mp4"]) | ReadAllFromVideo()
        failures = made.failures
        few = failures | beam.Select("stream", "row", kind=lambda failure: failure.kind)
        tuples = few | beam.Map(tuple)
        assert_that(
            tuples,
            equal_to([("/no/a.mp4", None, "input"), ("/no/b.mp4", None, "input")]),
        )
        kinds = to_dataframe(failures).groupby("kind").stream.count()
        assert_that(to_pcollection(kinds), equal_to([2]), "Table")
        _ = failures | beam.io.WriteToText(
            str(tmp_path / "failed"), shard_name_template=""
        )
    lines = sorted((tmp_path / "failed").read_text().splitlines())
    assert lines[0] == "stream '/no/a.mp4': no file matches '/no/a.mp4'"
    assert len(lines) == 2
