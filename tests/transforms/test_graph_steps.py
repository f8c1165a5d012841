"""Pipelines that are translated, or run, before a chain of transforms is complete."""

from __future__ import annotations

import copy
import socket
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import Pipeline, PipelineVisitor
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ArgumentError, ElementTypeError, GraphError
from beam_scanner.run.bind_streams import Bind
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.transforms import (
    Gather,
    ReadFromVideo,
    Stride,
    VideoGraph,
    WriteToNamedStream,
)
from tests.support.pipeline_kernels import Number
from tests.support.pipeline_runs import IN_MEMORY, Run


def _options() -> PipelineOptions:
    return PipelineOptions([*IN_MEMORY])


def _frames(films: Path, p: Any) -> Any:
    return p | ReadFromVideo(str(films / "a.mp4")) | Gather([3, 4])


def _rows(folder: Path, name: str) -> list[Any]:
    return list(NamedStream(NamedStorage(str(folder)), name).load())


def _translate(pipeline: Any) -> None:
    pipeline.to_runner_api()


def _visit(pipeline: Any) -> None:
    pipeline.visit(PipelineVisitor())


def _run(pipeline: Any) -> None:
    pipeline.run().wait_until_finish()


def _run_by_runner(pipeline: Any) -> None:
    FnApiRunner().run_pipeline(pipeline, pipeline.options).wait_until_finish()


def _run_a_copy(pipeline: Any) -> None:
    proto = pipeline.to_runner_api()
    _run(Pipeline.from_runner_api(proto, FnApiRunner(), pipeline.options))


def _render(pipeline: Any) -> None:
    from apache_beam.runners import render

    render.PipelineRenderer(pipeline.to_runner_api(), render.RenderOptions([])).to_dot()


WAYS = [_translate, _visit, _run, _run_by_runner, _run_a_copy, _render]


@pytest.mark.parametrize("way", WAYS)
def test_a_chain_may_go_on_after_a_look_at_it(
    films: Path, tmp_path: Path, way: Any
) -> None:
    with Run() as run:
        numbers = _frames(films, run.pipeline) | Number()
        numbers | "First" >> WriteToNamedStream(str(tmp_path), "first")
        way(run.pipeline)
        numbers | Stride(2) | "Then" >> WriteToNamedStream(str(tmp_path), "then")
        run.keep("numbers", numbers)
    assert _rows(tmp_path, "first") == [3, 4]
    assert _rows(tmp_path, "then") == [3]
    assert [value for _, value in run.rows("numbers")] == [3, 4]


@pytest.mark.parametrize("way", [_run, _run_by_runner, _run_a_copy])
def test_what_is_run_early_is_complete_as_far_as_it_goes(
    films: Path, tmp_path: Path, way: Any
) -> None:
    pipeline = beam.Pipeline(options=_options())
    numbers = _frames(films, pipeline) | Number()
    numbers | WriteToNamedStream(str(tmp_path), "early")
    way(pipeline)
    assert _rows(tmp_path, "early") == [3, 4]


@pytest.mark.parametrize("kind", ["chain", "graph"])
def test_a_tool_may_read_what_no_step_reads(films: Path, kind: str) -> None:
    # As interactive Beam, and expansion services, which add steps to a copy.
    pipeline = beam.Pipeline(options=_options())
    if kind == "chain":
        numbers = _frames(films, pipeline) | Number()
    else:
        numbers = pipeline | VideoGraph(lambda p: _frames(films, p) | Number())
    copied = Run()
    copied.pipeline = Pipeline.from_runner_api(
        pipeline.to_runner_api(), FnApiRunner(), _options()
    )
    found: list[Any] = []

    class Find(PipelineVisitor):
        def visit_transform(self, node: Any) -> None:
            if node.full_label == numbers.producer.full_label:
                found.extend(node.outputs.values())

    copied.pipeline.visit(Find())
    with copied:
        copied.keep("numbers", found[0])
    assert copied.rows("numbers") == [
        (FrameKey("a.mp4", 0, 0), 3),
        (FrameKey("a.mp4", 0, 1), 4),
    ]
    # Of the copy, our transforms see an ordinary PCollection.
    with pytest.raises(ElementTypeError, match="ordinary PCollection"):
        _ = found[0] | Stride(2)


@pytest.mark.parametrize("kind", ["chain", "graph"])
@pytest.mark.slow
def test_interactive_beam_shows_rows(films: Path, kind: str) -> None:
    interactive = pytest.importorskip(
        "apache_beam.runners.interactive.interactive_beam"
    )
    runner = sys.modules["apache_beam.runners.interactive.interactive_runner"]
    pipeline = beam.Pipeline(runner.InteractiveRunner(), options=_options())
    if kind == "chain":
        frames = _frames(films, pipeline)
        numbers = frames | Number()
        numbers | Stride(2)
    else:
        numbers = pipeline | VideoGraph(lambda p: _frames(films, p) | Number())
    interactive.watch({"pipeline": pipeline, "numbers": numbers})
    assert [value for _, value in interactive.collect(numbers).values] == [3, 4]
    if kind == "chain":
        every = numbers | "Again" >> Gather([1, 0, 1])
        interactive.watch({"every": every})
        assert [value for _, value in interactive.collect(every).values] == [4, 3, 4]


class _Translates(beam.PTransform):
    def expand(self, p: Any) -> Any:
        numbers = p | ReadFromVideo("films/*.mp4") | Number()
        p.pipeline.to_runner_api()
        return numbers


def test_a_pipeline_is_not_translated_while_it_is_applied() -> None:
    with pytest.raises(GraphError, match="'_Translates' was being applied"):
        _ = beam.Pipeline(options=_options()) | _Translates()


@pytest.mark.parametrize("given", ["option", "argument"])
@pytest.mark.parametrize("runner", ["FlinkRunner", "PortableRunner"])
def test_what_is_missing_is_said_first(runner: str, given: str) -> None:
    # Beam takes the runner's name in any case, and also where no option has it.
    named = [f"--runner={runner.lower()}"] if given == "option" else []
    with socket.create_server(("localhost", 0)) as server:
        endpoint = f"--job_endpoint=localhost:{server.getsockname()[1]}"
        options = PipelineOptions([*named, endpoint, "--environment_type=LOOPBACK"])
        pipeline = beam.Pipeline(None if named else runner, options)
        _ = pipeline | ReadFromVideo("films/*.mp4") | Number() | beam.Map(print)
        said = (
            f"^a pipeline without a sink of beam_scanner needs --scanner_db on {runner}"
        )
        for run in (pipeline.run, pipeline.to_runner_api):
            with pytest.raises(ArgumentError, match=said):
                run()


def test_what_comes_after_the_block_is_an_error(films: Path, tmp_path: Path) -> None:
    with beam.Pipeline(options=_options()) as pipeline:
        frames = _frames(films, pipeline)
    for transform in (Stride(2), WriteToNamedStream(str(tmp_path), "late")):
        with pytest.raises(GraphError, match="when its with block ended"):
            _ = frames | transform


def test_a_copy_of_a_step_goes_on_with_the_graph(films: Path, tmp_path: Path) -> None:
    pipeline = beam.Pipeline(options=_options())
    frames = _frames(films, pipeline)
    found: list[Any] = []

    class Find(PipelineVisitor):
        def visit_transform(self, node: Any) -> None:
            if isinstance(getattr(node.transform, "fn", None), Bind):
                found.append(node)

    pipeline.visit(Find())
    (bind,) = found
    bind.transform = copy.deepcopy(bind.transform)
    frames | Number() | WriteToNamedStream(str(tmp_path), "made")
    _run(pipeline)
    assert _rows(tmp_path, "made") == [3, 4]


@pytest.mark.slow
def test_a_long_chain_can_be_translated_and_run(films: Path) -> None:
    with Run() as run:
        numbers = _frames(films, run.pipeline) | Number()
        for step in range(200):
            numbers = numbers | f"Step {step}" >> Stride(1)
        run.keep("numbers", numbers)
        run.pipeline.to_runner_api()
    assert [value for _, value in run.rows("numbers")] == [3, 4]
