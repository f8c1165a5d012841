"""A graph that is built inside a function, and completed with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.transforms.fully_qualified_named_transform import (
    FullyQualifiedNamedTransform,
)

from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ArgumentError, ElementTypeError, GraphError
from beam_scanner.transforms import (
    Gather,
    Range,
    ReadFromVideo,
    Stride,
    Unslice,
    VideoGraph,
)
from tests.support.pipeline_kernels import AddTwo, Next, Number
from tests.support.pipeline_runs import Run


def _numbers(films: Path, *rows: int) -> Callable[[Any], Any]:
    """Builds a graph that numbers some rows of a film."""

    def build(p: Any) -> Any:
        return p | ReadFromVideo(str(films / "a.mp4")) | Gather(rows) | Number()

    return build


def _key(row: int, stream: str = "a.mp4", group: int = 0) -> FrameKey:
    return FrameKey(stream, group, row)


class _EveryOther(beam.PTransform):
    """A composite of the user's."""

    def expand(self, streams: Any) -> Any:
        return streams | Stride(2) | Number()


class _Around(beam.PTransform):
    """Another, around a graph."""

    def __init__(self, films: Path, rows: int) -> None:
        super().__init__()
        self._films, self._rows = films, rows

    def expand(self, pbegin: Any) -> Any:
        def build(p: Any) -> Any:
            frames = p | ReadFromVideo(str(self._films / "a.mp4"))
            return frames | Range(0, self._rows) | _EveryOther()

        return pbegin | VideoGraph(build)


@pytest.mark.slow
def test_composites_may_be_around_it_and_in_it(films: Path) -> None:
    with Run() as run:
        run.keep("one", run.pipeline | "One" >> _Around(films, 1))
        run.keep("three", run.pipeline | "Three" >> _Around(films, 3))
    assert run.rows("one") == [(_key(0), 0)]
    assert run.rows("three") == [(_key(0), 0), (_key(1), 2)]


@beam.ptransform_fn  # type: ignore[untyped-decorator]
def _twice(streams: Any, stride: int) -> Any:
    return streams | Stride(stride) | "Again" >> Stride(stride)


def _by_name(kind: str, *args: Any) -> Any:
    return FullyQualifiedNamedTransform(f"beam_scanner.transforms.{kind}", args, {})


COMPOSED: dict[str, Callable[[Any, str], Any]] = {
    "a chain": lambda p, film: (
        p | (ReadFromVideo(film) | Gather([3, 4, 5]) | Stride(2)) | Number()
    ),
    "a function": lambda p, film: (
        p | ReadFromVideo(film) | Gather([3, 4, 4, 4, 5]) | _twice(2) | Number()
    ),
    "by name": lambda p, film: (
        p
        | "Read" >> _by_name("ReadFromVideo", film)
        | "Rows" >> _by_name("Gather", [3, 5])
        | Number()
    ),
}


@pytest.mark.parametrize("form", ["chain", "graph"])
@pytest.mark.parametrize("name", COMPOSED)
def test_composites_that_beam_makes(films: Path, name: str, form: str) -> None:
    film, build = str(films / "a.mp4"), COMPOSED[name]
    with Run() as run, FullyQualifiedNamedTransform.with_filter("beam_scanner.*"):
        p = run.pipeline
        graph = VideoGraph(lambda p: build(p, film))
        run.keep("numbers", p | graph if form == "graph" else build(p, film))
    assert [number for _, number in run.rows("numbers")] == [3, 5]


def test_what_a_graph_refuses_inside_of_composites(films: Path) -> None:
    def build(p: Any) -> Any:
        return p | ReadFromVideo(str(films / "a.mp4")) | (Stride(2) | beam.Values())

    with pytest.raises(ElementTypeError, match="Values takes elements"):
        _ = beam.Pipeline("FnApiRunner") | VideoGraph(build)


def test_a_graph_in_a_graph_is_part_of_it(films: Path) -> None:
    inner = VideoGraph(lambda frames: frames | Range(0, 2) | Number())
    with Run() as run:
        outer = VideoGraph(lambda p: p | ReadFromVideo(str(films / "a.mp4")) | inner)
        run.keep("rows", run.pipeline | outer)
    assert run.rows("rows") == [(_key(0), 0), (_key(1), 1)]


def _labels(pipeline: Any) -> set[str]:
    found = pipeline.to_runner_api().components.transforms.values()
    return {step.unique_name for step in found}


def test_steps_keep_their_names_when_the_inside_changes(films: Path) -> None:
    labels = []
    for extra in (0, 3):

        def build(p: Any, extra: int = extra) -> Any:
            made = _numbers(films, 0)(p)
            first = made | "First" >> Next()
            for _ in range(extra):
                made = made | Next()
            return {"made": made} if extra else {"made": made, "first": first}

        pipeline = beam.Pipeline()
        _ = pipeline | VideoGraph(build)
        labels.append(_labels(pipeline))
    less, more = sorted(labels, key=len)
    assert {label.rpartition("/")[2] for label in more - less} == {"Rows first"}
    assert less <= more


@pytest.mark.parametrize(
    ("wrong", "error", "reason"),
    [
        (lambda p, n: n | beam.Map(print), ElementTypeError, "Map.* takes elements"),
        (lambda p, n: p | Number(), ElementTypeError, "takes streams"),
        (lambda p, n: n | print, ArgumentError, "expected a transform"),
        (lambda p, n: {"number": 3}, ArgumentError, "got 3 as 'number'"),
        (lambda p, n: None, ArgumentError, "without outputs"),
        (lambda p, n: (n, n | Unslice()), GraphError, "not been sliced"),
    ],
)
def test_what_is_no_graph_is_an_error(
    films: Path, wrong: Any, error: Any, reason: str
) -> None:
    numbers = _numbers(films, 0)
    with pytest.raises(error, match=reason):
        _ = beam.Pipeline() | VideoGraph(lambda p: wrong(p, numbers(p)))


def test_streams_of_different_graphs_cannot_be_joined(films: Path) -> None:
    pipeline = beam.Pipeline()
    chain = _numbers(films, 0)(pipeline)
    with pytest.raises(GraphError, match="joined with others of the same one"):
        _ = pipeline | VideoGraph(lambda p: [_numbers(films, 0)(p), chain] | AddTwo())
