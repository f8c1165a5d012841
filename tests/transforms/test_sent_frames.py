"""Warnings of frames that would be sent to other workers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from beam_scanner.transforms import (
    Histogram,
    ReadFromVideo,
    Resize,
    Stride,
    VideoGraph,
    WriteToNamedVideo,
)
from tests.support.pipeline_kernels import Number

GPU = {"accelerator": "type:nvidia-l4;count:1;install-nvidia-driver"}
OTHER = {"min_ram": "4GB"}


class Mean(ModelHandler):
    def load_model(self) -> Any:
        return lambda frame: np.mean(frame)

    def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        return [float(model(frame)) for frame in batch]


class Around(beam.PTransform):
    """A composite of the user's own."""

    def expand(self, frames: Any) -> Any:
        return frames | "Inner" >> beam.Map(_same)


def _same(element: Any) -> Any:
    return element


Build = Callable[[Any, str], Any]


def _frames(p: Any, films: str, **hints: Any) -> Any:
    small = Resize(width=8, height=6)
    if hints:
        small = small.with_resource_hints(**hints)
    return p | ReadFromVideo(f"{films}/a.mp4") | Stride(30) | small


def _infer(**hints: Any) -> Any:
    return "Infer" >> RunInference(KeyedModelHandler(Mean())).with_resource_hints(
        **hints
    )


def _graph(p: Any, films: str) -> Any:
    return p | VideoGraph(lambda p: _frames(p, films)) | _infer(**GPU)


def _passed_on(p: Any, films: str) -> Any:
    passed = _frames(p, films) | "Pass" >> beam.Filter(lambda row: row[0].row > 0)
    both = (passed, passed) | beam.Flatten()
    return both | "Hinted" >> beam.Map(_same).with_resource_hints(**GPU)


def _part(p: Any, films: str) -> Any:
    first, _ = _frames(p, films) | beam.Partition(lambda row, parts: row[0].row % 2, 2)
    return first | "Hinted" >> beam.Map(_same).with_resource_hints(**GPU)


SENT: dict[str, tuple[Build, str, str]] = {
    "a model on a GPU": (
        lambda p, x: _frames(p, x) | _infer(**GPU),
        "the frames of 'Resize' leave for 'Infer/",
        r"give 'Resize'.*accelerator='type:nvidia-l4",
    ),
    "decoding on a GPU": (
        lambda p, x: _frames(p, x, **GPU) | _infer(**OTHER),
        "leave for 'Infer/.*min_ram='4000000000'.* made with .*accelerator=",
        "give 'Resize'.*min_ram",
    ),
    "hints that the consumer lacks": (
        lambda p, x: _frames(p, x, **GPU) | "Look" >> beam.Map(_same),
        "leave for 'Look'.* no resource hints, where they are made with .*accelerator",
        "give 'Look', or a composite around it, .with_resource_hints.accelerator=",
    ),
    "a composite around it": (
        lambda p, x: _frames(p, x) | Around().with_resource_hints(**GPU),
        "leave for 'Around/Inner'",
        "give 'Resize'",
    ),
    "a graph as one transform": (_graph, "'VideoGraph/.*' leave for 'Infer", "give"),
    "a part of them": (_part, "'Resize' leave for 'Hinted'", "give 'Resize'"),
    "passed on before": (_passed_on, "leave for 'Hinted'", "give 'Resize'"),
}


class _Translates(PipelineRunner):
    """Does no more than what comes before a pipeline is sent."""

    def run_pipeline(self, pipeline: Any, options: Any) -> PipelineResult:
        pipeline.to_runner_api()
        return PipelineResult(PipelineState.DONE)


def _warned(build: Build, films: Path, *flags: str) -> list[str]:
    pipeline = beam.Pipeline(_Translates(), PipelineOptions(list(flags)))
    build(pipeline, str(films))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipeline.run()
        pipeline.run()
    said = [str(each.message) for each in caught]
    return [text for text in said if text.startswith("the frames of")]


@pytest.mark.parametrize("name", SENT)
def test_frames_that_are_sent(name: str, films: Path) -> None:
    build, leave, keep = SENT[name]
    (said,) = _warned(build, films)
    assert re.search(leave, said)
    assert re.search(f"To keep them where they are, {keep}", said)


KEPT: dict[str, Build] = {
    "no hints": lambda p, x: _frames(p, x) | _infer(),
    "the same hints": lambda p, x: _frames(p, x, **GPU) | _infer(**GPU),
    "one composite around both": lambda p, x: p | _Whole(x).with_resource_hints(**GPU),
    "values": lambda p, x: (
        _frames(p, x) | Number() | beam.Map(_same).with_resource_hints(**GPU)
    ),
    "histograms": lambda p, x: (
        _frames(p, x) | Histogram() | beam.Map(_same).with_resource_hints(**GPU)
    ),
    "made small before": lambda p, x: (
        _frames(p, x)
        | "Small" >> beam.MapTuple(lambda key, frame: (key.row, float(frame.mean())))
        | beam.Map(_same).with_resource_hints(**GPU)
    ),
    "grouped anyway": lambda p, x: (
        _frames(p, x) | beam.GroupByKey() | beam.Map(_same).with_resource_hints(**GPU)
    ),
    "nobody reads them": lambda p, x: (
        _frames(p, x, **GPU) | WriteToNamedVideo(f"{x}/db", "small")
    ),
}


class _Whole(beam.PTransform):
    def __init__(self, films: str) -> None:
        super().__init__()
        self.films = films

    def expand(self, p: Any) -> Any:
        return _frames(p, self.films) | _infer()


@pytest.mark.parametrize("name", KEPT)
def test_frames_that_stay(name: str, films: Path) -> None:
    assert _warned(KEPT[name], films) == []


def test_hints_of_the_whole_pipeline(films: Path) -> None:
    flag = "--resource_hint=min_ram=4GB"
    assert _warned(lambda p, x: _frames(p, x) | _infer(), films, flag) == []
    both = lambda p, x: _frames(p, x) | _infer(**GPU)  # noqa: E731
    (said,) = _warned(both, films, flag)
    assert "min_ram='4000000000')" in said
