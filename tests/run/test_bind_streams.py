"""Streams that a pipeline finds become jobs; those that cannot are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.pvalue import TaggedOutput
from apache_beam.testing.util import assert_that, equal_to

from beam_scanner.errors import ScannerException
from beam_scanner.run import bind_streams
from beam_scanner.run.bind_streams import Bind, planned_together
from beam_scanner.run.job import JobRecord
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.shared_graph import SharedGraph
from beam_scanner.run.stream_slots import SourceSlot
from beam_scanner.types import FrameType
from tests.support.harness import call, source
from tests.support.small_runs import IN_MEMORY


class Sources:
    """A program of two sources, whose jobs are what was found."""

    whole_slots: tuple[Any, ...] = ("sink",)
    sources = tuple(
        SourceSlot(number, lambda *_: None, None, f"source {number}")
        for number in range(2)
    )

    def __init__(self, leaves: bool = False, *nodes: Any) -> None:
        self.leaves = leaves
        graph = SharedGraph(tuple((node, ()) for node in nodes), ())
        self.settings = RunSettings(graph)

    def bind(self, name: str, paths: Sequence[str], pane: str = "") -> JobRecord:
        if name == "bad":
            raise ValueError("no such file")
        mark = f"mark of {name}"
        return JobRecord(name, tuple(paths), "", (), mark=mark, leaves=self.leaves)


def bound(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    *found: Sequence[str],
    program: Sources | None = None,
) -> list[Any]:
    monkeypatch.setattr(bind_streams, "Program", Sources)
    step = Bind()
    step.source = program or Sources()  # type: ignore[assignment]
    return list(step.process((name, found)))


def test_a_name_that_every_source_has_is_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    # A runner may give the same path twice.
    ((key, job),) = bound(monkeypatch, "a", ["x/a", "x/a"], ["y/a"])
    assert (key, job[:2]) == ("mark of a", ("a", ("x/a", "y/a")))
    assert type(job) is tuple


def same(config: Any, value: Sequence[FrameType]) -> Sequence[FrameType]:
    return value


def model() -> Any:
    """An op whose batches streams may share."""
    node = call(same, source("frame"), batch=8)
    object.__setattr__(node.spec, "across_groups", True)
    return node


def test_jobs_that_may_share_tasks_are_planned_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def keys(program: Sources) -> list[str]:
        names = [f"clip {number}" for number in range(300)]
        made = [
            bound(monkeypatch, name, ["x"], ["y"], program=program) for name in names
        ]
        return [key for ((key, _),) in made]

    shared = keys(Sources(False, model()))
    assert shared == keys(Sources(False, model()))
    assert {*shared} == {str(number) for number in range(16)}
    # Rows that leave have times of their own.
    assert len({*keys(Sources(True, model()))}) == 300


def test_lists_of_jobs_are_by_name() -> None:
    jobs = [("0", (name, (name,))) for name in "dbca"]
    with beam.Pipeline(argv=IN_MEMORY) as pipeline:
        lists = planned_together(pipeline | beam.Create([*jobs, ("1", ("e", ()))]))
        wanted = [[(name, (name,)) for name in "abcd"], [("e", ())]]
        assert_that(lists, equal_to(wanted))


@pytest.mark.parametrize(
    ("name", "found", "reason"),
    [
        ("a", (["x/a"], []), "source 1 has no stream 'a' to join with"),
        ("a", (["2/a", "1/a"], ["y/a"]), "two streams named 'a': 1/a and 2/a; give"),
        ("bad", (["x"], ["y"]), "ValueError: no such file"),
    ],
)
def test_what_cannot_be_bound_is_a_failure_of_its_stream(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    found: tuple[list[str], list[str]],
    reason: str,
) -> None:
    (told,) = bound(monkeypatch, name, *found)
    assert isinstance(told, TaggedOutput)
    assert told.tag == "failures"
    assert (told.value.stream, told.value.kind) == (name, "input")
    assert reason in told.value.reason
    assert told.value.ended is not None


def test_a_program_that_makes_nothing_binds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Sources, "whole_slots", ())
    assert bound(monkeypatch, "a", ["x"], []) == []


def test_one_path_is_the_only_one() -> None:
    assert bind_streams._only("a", "source", iter(["x", "x"])) == "x"
    with pytest.raises(ScannerException, match="has no stream"):
        bind_streams._only("a", "source", [])
