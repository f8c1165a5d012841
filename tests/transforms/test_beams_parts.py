"""What the rest of Beam does with transforms: copies, names, side inputs, other steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window

from beam_scanner.kernels import Kernel
from beam_scanner.transforms import ReadFromVideo, Stride, WriteToNamedStream, op
from beam_scanner.types import FrameType
from tests.support.pipeline_runs import stream
from tests.support.small_runs import IN_MEMORY


class _Mean(Kernel):
    def execute(self, frame: FrameType) -> float:
        return float(frame.mean())


Mean = op(_Mean)


def _pipeline() -> beam.Pipeline:
    return beam.Pipeline(options=PipelineOptions([*IN_MEMORY]))


def _means(pipeline: Any, films: Path) -> Any:
    return pipeline | ReadFromVideo(f"{films}/a.mp4") | Stride(24) | Mean()


@pytest.mark.slow
def test_a_pipeline_that_is_translated_there_and_back(
    films: Path, tmp_path: Path
) -> None:
    pipeline = _pipeline()
    means = _means(pipeline, films)
    assert_that(means | beam.MapTuple(lambda key, _: key.row), equal_to([0, 1, 2]))
    _ = means | WriteToNamedStream(str(tmp_path))
    proto = pipeline.to_runner_api()
    copy = beam.Pipeline.from_runner_api(proto, pipeline.runner, pipeline.options)
    for _ in range(2):
        copy.run().wait_until_finish()
    assert stream(tmp_path, "a.mp4").len() == 3


def test_side_inputs_and_joins(films: Path) -> None:
    with _pipeline() as pipeline:
        means = _means(pipeline, films)
        one = pipeline | beam.Create([1])

        def counted(_: int, *sides: Any) -> list[int]:
            return [len(list(side)) for side in sides]

        kinds = (beam.pvalue.AsList, beam.pvalue.AsDict, beam.pvalue.AsIter)
        sides = one | beam.Map(counted, *(kind(means) for kind in kinds))
        assert_that(sides, equal_to([[3, 3, 3]]), "Sides")
        both = {"one": means, "two": means} | beam.CoGroupByKey()
        sizes = both | "Sizes" >> beam.MapTuple(
            lambda key, found: (key.row, len(found["one"]), len(found["two"]))
        )
        assert_that(sizes, equal_to([(0, 1, 1), (1, 1, 1), (2, 1, 1)]), "Joined")
        timed = means | beam.MapTuple(
            lambda key, _: window.TimestampedValue((key.stream, 1), key.pts_seconds)
        )
        sessions = timed | beam.WindowInto(window.Sessions(5)) | beam.CombinePerKey(sum)
        assert_that(sessions | beam.Values(), equal_to([3]), "Sessions")


def test_labels_are_needed_in_a_loop(films: Path) -> None:
    frames = _pipeline() | ReadFromVideo(f"{films}/a.mp4")
    few = frames | Stride(2)
    with pytest.raises(RuntimeError, match='label "Stride" already exists'):
        _ = few | Stride(2)
    _ = few | "Fewer" >> Stride(2)
