"""Pipelines in which Beam checks types while it runs, and failures as rows."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
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
    ReadFromVideo,
    RepeatNull,
    Resize,
    ShotBoundaries,
    Slice,
    Stride,
    Unslice,
    VideoGraph,
    WriteToNamedStream,
    WriteToNamedVideo,
    op,
    partitioner,
)
from beam_scanner.types import FrameType
from tests.support.small_runs import IN_MEMORY

CHECKS = ["--runtime_type_check", "--performance_runtime_type_check"]


# Beam reads the annotations: no strings.
def _reason(failure: Any) -> str:
    return f"{failure.stream}: {failure.reason}"


_reason.__annotations__ = {"failure": Failure, "return": str}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.slow
def test_types_are_those_of_the_elements(
    check: str, films: Path, tmp_path: Path
) -> None:
    paths = [str(films / "a.mp4"), "/no/such.mp4"]
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
            wanted = ["/no/such.mp4: no file matches '/no/such.mp4'"]
            if name == "elements":
                wanted = []
            assert_that(told, equal_to(wanted), f"Failures {name}")


def _fails(config: Any, frame: FrameType) -> int:
    raise ValueError("as it should")


Fails = op(_fails)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.slow
def test_failures_of_each_stage_are_checked(
    check: str, films: Path, tmp_path: Path
) -> None:
    """Those of rows, of kernels, of names that are none, of elements that come back."""
    db, key = str(tmp_path), FrameKey("twice", 0, 0)
    with beam.Pipeline(options=PipelineOptions([*IN_MEMORY, check])) as pipeline:
        some, others = (
            pipeline | f"Read {n}" >> ReadFromVideo(str(films / "a.mp4")) for n in "so"
        )
        nulls = some | Stride(36) | "Nulls" >> Fails(on_error="null")
        fails = others | "Fails" >> Fails()
        elements = pipeline | "Twice" >> beam.Create([(key, 1), (key, 2)])
        names = pipeline | "Names" >> beam.Create([""])
        failures = {
            "rows": nulls | "N" >> WriteToNamedStream(db, "n/{stream}"),
            "kernel": fails | "F" >> WriteToNamedStream(db, "f/{stream}"),
            "elements": elements | "E" >> WriteToNamedStream(db, "e/{stream}"),
            "names": names | ReadAllFromNamedStream(db, int),
        }
        wanted = {"rows": 2, "kernel": 1, "elements": 1, "names": 1}
        for name, made in failures.items():
            told = made.failures | f"Why {name}" >> beam.Map(_reason)
            count = told | f"Count {name}" >> beam.combiners.Count.Globally()
            assert_that(count, equal_to([wanted[name]]), f"Failures {name}")


@pytest.mark.slow
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
        counts = failures | beam.GroupBy("kind").aggregate_field(
            "stream", beam.combiners.CountCombineFn(), "streams"
        )
        assert_that(
            counts | "As tuples" >> beam.Map(tuple), equal_to([("input", 2)]), "Counts"
        )
        _ = failures | beam.io.WriteToParquet(str(tmp_path / "table"))
        _ = failures | beam.io.WriteToText(
            str(tmp_path / "failed"), shard_name_template=""
        )
    (file,) = tmp_path.glob("table*")
    table = pq.read_table(file)
    assert table.column_names == list(Failure._fields)
    assert {str(table.schema.field(name).type) for name in ("row", "task")} == {"int64"}
    lines = sorted((tmp_path / "failed").read_text().splitlines())
    assert lines[0] == "stream '/no/a.mp4': no file matches '/no/a.mp4'"
    assert len(lines) == 2
