"""Graphs that a function builds, as one transform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pytest
from apache_beam import typehints

from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ArgumentError, GraphError
from beam_scanner.kernels import register_python_op
from beam_scanner.transforms import (
    Gather,
    Range,
    ReadAllFromVideo,
    ReadFromNamedStream,
    ReadFromVideo,
    RepeatNull,
    Slice,
    Stride,
    Unslice,
    VideoGraph,
    WriteToNamedStream,
    op,
    partitioner,
)
from beam_scanner.types import FrameType
from tests.support.pipeline_kernels import AddTwo, Count, Next, Number
from tests.support.pipeline_runs import Run

DEPTH = 1_000


@register_python_op(name="GraphFails")
def _fails(config: Any, frame: FrameType) -> int:
    raise ValueError("it always does")


Fails = op(_fails)


def _numbers(films: Path, *rows: int) -> Callable[[Any], Any]:
    """Builds a graph that numbers some rows of a film."""

    def build(p: Any) -> Any:
        return p | ReadFromVideo(str(films / "a.mp4")) | Gather(rows) | Number()

    return build


def _key(row: int, stream: str = "a.mp4", group: int = 0) -> FrameKey:
    return FrameKey(stream, group, row)


@pytest.mark.slow
def test_its_rows_and_commits_are_those_of_the_chain(
    films: Path, tmp_path: Path
) -> None:
    def build(p: Any) -> Any:
        numbers = p | ReadFromVideo(str(films / "*.mp4")) | Stride(30) | Number()
        return numbers, numbers | WriteToNamedStream(str(db), "{stream}")

    for kind in ("chain", "graph"):
        db = tmp_path / kind
        with Run() as run:
            make = build if kind == "chain" else lambda p: p | VideoGraph(build)
            rows, written = make(run.pipeline)
            run.keep("rows", rows)
            run.keep_written("made", written)
        if kind == "chain":
            expected = run.timed("rows"), run.commits("made"), run.counters
            prints = [c.fingerprint for c in run.rows("made commits")]
    assert (run.timed("rows"), run.commits("made")) == expected[:2]
    assert run.commits("made") == ["a.mp4", "b.mp4"]
    assert [c.fingerprint for c in run.rows("made commits")] == prints
    assert run.counters["frames_decoded"] == expected[2]["frames_decoded"]
    assert run.failures("made") == {}


class _Outputs(NamedTuple):
    numbers: Any
    written: Any


def _outputs(films: Path, db: Path, make: Callable[..., Any]) -> Callable[[Any], Any]:
    def build(p: Any) -> Any:
        numbers = _numbers(films, 4, 2)(p)
        return make(numbers, numbers | WriteToNamedStream(str(db), "{stream}"))

    return build


@pytest.mark.parametrize(
    ("make", "take"),
    [
        (lambda n, w: (n, w), lambda given: given),
        (lambda n, w: [n, w], lambda given: given),
        (lambda n, w: {"n": n, "w": w}, lambda given: (given["n"], given["w"])),
        (_Outputs, lambda given: (given.numbers, given.written)),
        (
            lambda n, w: {"in": (n,), "w": {"w": w}},
            lambda given: (given["in"][0], given["w"]["w"]),
        ),
        (lambda n, w: n, lambda given: (given, None)),
        (lambda n, w: w, lambda given: (None, given)),
        (lambda n, w: None, lambda given: (None, None)),
    ],
)
def test_it_gives_what_its_function_returns(
    films: Path, tmp_path: Path, make: Any, take: Any
) -> None:
    with Run() as run:
        given = run.pipeline | VideoGraph(_outputs(films, tmp_path, make))
        numbers, written = take(given)
        if numbers is not None:
            run.keep("numbers", numbers)
        if written is not None:
            run.keep_written("written", written)
    if numbers is not None:
        assert run.rows("numbers") == [(_key(0), 4), (_key(1), 2)]
    if written is not None:
        assert run.commits("written") == ["a.mp4"]
    # A sink stores whether or not somebody wants to know of it.
    stored = Run()
    with stored:
        read = stored.pipeline | ReadFromNamedStream(str(tmp_path), "a.mp4", type=int)
        stored.keep("stored", read)
    assert stored.rows("stored") == [(_key(0), 4), (_key(1), 2)]


@pytest.mark.slow
def test_a_graph_may_have_slices_joins_and_several_phases(films: Path) -> None:
    def build(p: Any) -> Any:
        def read(name: str) -> Any:
            path = str(films / f"{name}.mp4")
            return p | name >> ReadFromVideo(path, name=lambda _: "film")

        left = read("a") | Range(0, 6) | Number()
        right = read("b") | Range(0, 6) | Number()
        both = {"x": left, "y": right} | AddTwo()
        halves = both | Slice(partitioner.all(3)) | Stride(2)
        counted = both | Count(start=10)
        return {
            "halves": halves,
            "joined": [both, left] | "Again" >> AddTwo(),
            "whole": halves | Unslice(),
            "count": counted.ret0,
        }

    with Run() as run:
        for name, rows in (run.pipeline | VideoGraph(build)).items():
            run.keep(name, rows)
    key = [_key(row, "film") for row in range(6)]
    assert run.rows("halves") == [
        (_key(row, "film", group), 100 + 2 * (3 * group + 2 * row))
        for group in range(2)
        for row in range(2)
    ]
    assert run.rows("whole") == list(zip(key, (100, 104, 106, 110), strict=False))
    assert run.rows("joined") == [(key[n], 100 + 3 * n) for n in range(6)]
    assert run.rows("count") == [(key[n], 11 + n) for n in range(6)]


@pytest.mark.slow
def test_it_can_be_applied_to_collections_of_paths(films: Path) -> None:
    def build(paths: Any) -> Any:
        left = paths["left"] | "Left" >> ReadAllFromVideo()
        right = paths["right"] | beam.Map(str.strip) | "Right" >> ReadAllFromVideo()
        return [each | Range(0, 1) | Number() for each in (left, right)]

    with Run() as run:
        left = run.pipeline | "A" >> beam.Create([str(films / "a.mp4")])
        right = run.pipeline | "B" >> beam.Create([f" {films / 'b.mp4'} "])
        one, other = {"left": left, "right": right} | VideoGraph(build)
        run.keep("left", one)
        run.keep("right", other)
    assert run.rows("left") == [(_key(0), 0)]
    assert run.rows("right") == [(_key(0, "b.mp4"), 100)]


def test_streams_that_fail_are_told(films: Path) -> None:
    with Run() as run:
        path = str(films / "a.mp4")
        rows = run.pipeline | VideoGraph(lambda p: p | ReadFromVideo(path) | Fails())
        run.keep("rows", rows)
        run.keep("rows failures", rows.failures)
    assert run.rows("rows") == []
    assert run.failures("rows") == {"a.mp4": "ValueError: it always does"}


def test_rows_have_the_types_of_their_ops(films: Path) -> None:
    pipeline = beam.Pipeline()
    numbers = _numbers(films, 0)

    def rows(label: str, build: Any) -> Any:
        return pipeline | label >> VideoGraph(build)

    hint = typehints.Tuple[FrameKey, int]
    optional = typehints.Tuple[FrameKey, typehints.Optional[int]]
    assert rows("Plain", numbers).element_type == hint
    nulls = rows("Nulls", lambda p: numbers(p) | RepeatNull(2))
    assert nulls.element_type == optional
    one, other = (
        pipeline
        | VideoGraph(
            lambda p: {"one": (x := numbers(p)), "other": x | Stride(2)}
        ).with_output_types(other=tuple[FrameKey, int | None])
    ).values()
    assert (one.element_type, other.element_type) == (hint, optional)


def test_its_hints_are_for_the_stage_that_computes(films: Path) -> None:
    pipeline = beam.Pipeline()
    graph = VideoGraph(_numbers(films, 0)).with_resource_hints(min_ram="3GB")
    _ = pipeline | graph
    proto = pipeline.to_runner_api().components
    hinted = {
        step.unique_name.partition("Run ReadFromVideo/")[2]
        for step in proto.transforms.values()
        if proto.environments[step.environment_id].resource_hints
    }
    assert hinted - {""} == {"Phase 0/Run/ParDo(_Run)", "Rows"}


@pytest.mark.slow
def test_a_thousand_steps_may_follow_one_another(films: Path) -> None:
    def build(p: Any) -> Any:
        made = _numbers(films, 5, 6)(p)
        for number in range(DEPTH):
            made = made | (Next() if number % 2 else Stride(1))
        return made

    with Run() as run:
        run.keep("rows", run.pipeline | VideoGraph(build))
    steps = DEPTH // 2
    assert run.rows("rows") == [(_key(0), 5 + steps), (_key(1), 6 + steps)]


def test_two_sinks_of_a_graph_cannot_have_one_name(films: Path, tmp_path: Path) -> None:
    def build(p: Any) -> Any:
        for name in "ab":
            made = p | name >> ReadFromVideo(str(films / f"{name}.mp4")) | Number()
            _ = made | WriteToNamedStream(str(tmp_path), "made")

    with pytest.raises(GraphError, match="two sinks of one pipeline write 'made'"):
        _ = beam.Pipeline() | VideoGraph(build)


@pytest.mark.slow
def test_sinks_that_may_meet_are_known_to_each_other(
    films: Path, tmp_path: Path
) -> None:
    with Run() as run:
        for number, name in enumerate(["a/{stream}", "{stream}"]):

            def build(p: Any, name: str = name, number: int = number) -> Any:
                stream = "x" if number == 0 else "a/x"
                path = str(films / "a.mp4")
                frames = p | ReadFromVideo(path, name=lambda _: stream)
                made = frames | Range(0, 2) | Number()
                return made | WriteToNamedStream(str(tmp_path), name)

            run.keep_written(name, run.pipeline | f"{number}" >> VideoGraph(build))
    failures = [
        *run.failures("a/{stream}").values(),
        *run.failures("{stream}").values(),
    ]
    assert len(failures) == 1
    assert "would be written twice" in failures[0]


def test_a_graph_that_is_complete_stays_as_it_is(films: Path, tmp_path: Path) -> None:
    pipeline = beam.Pipeline()
    kept = []

    def build(p: Any) -> Any:
        kept.append(_numbers(films, 0)(p))
        return kept[0]

    rows = pipeline | VideoGraph(build)
    for transform in (Stride(2), Next(), WriteToNamedStream(str(tmp_path), "x")):
        with pytest.raises(GraphError, match=r"VideoGraph.* is complete; apply it in"):
            _ = rows | transform
        with pytest.raises(GraphError, match="'VideoGraph' is complete"):
            _ = kept[0] | transform


def test_its_argument_is_a_function() -> None:
    with pytest.raises(ArgumentError, match="takes the function that builds"):
        VideoGraph(Stride(2))
