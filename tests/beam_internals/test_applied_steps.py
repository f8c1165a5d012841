"""What Beam keeps of a pipeline that is being built."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import fully_qualified_named_transform

from beam_scanner.beam_internals import applied_steps
from beam_scanner.beam_internals.applied_steps import (
    has_run,
    is_run_as_it_is,
    merge_hints,
    parse_hints,
    without_label,
)

RAM = parse_hints({"min_ram": "1MB"})


class Seen(beam.PTransform):
    """Looks at itself while it is applied."""

    def expand(self, rows: Any) -> Any:
        self.label_seen = applied_steps.current_label(rows.pipeline)
        self.hints_seen = applied_steps.current_hints(rows.pipeline)
        return rows | "Inner" >> beam.Map(str)


class Around(beam.PTransform):
    def __init__(self, inner: Seen) -> None:
        super().__init__()
        self._inner = inner

    def expand(self, rows: Any) -> Any:
        return rows | "Look" >> self._inner


def test_the_transform_that_is_being_applied() -> None:
    """Else errors name no transform, and hints of composites are lost."""
    seen = Seen()
    rows = beam.Pipeline() | beam.Create([1])
    rows | "Outer" >> Around(seen).with_resource_hints(min_ram="1MB")
    assert seen.label_seen == "Outer/Look"
    assert seen.hints_seen == RAM


@pytest.mark.parametrize("several", [False, True])
def test_hints_of_applied_steps_reach_the_runner(several: bool) -> None:
    """Else the run stage has no GPU."""
    pipeline = beam.Pipeline()
    step: Any = beam.ParDo(beam.DoFn())
    step = step.with_outputs("other", main="main") if several else step
    made = pipeline | beam.Create([1]) | "Run" >> step
    steps = applied_steps.steps_that_make(made)
    applied_steps.set_hints(steps, RAM)
    proto = pipeline.to_runner_api()
    hints = {
        each.unique_name: dict(
            proto.components.environments[each.environment_id].resource_hints
        )
        for each in proto.components.transforms.values()
        if each.spec.urn == "beam:transform:pardo:v1"
    }
    assert next(h for name, h in hints.items() if name.startswith("Run")) == RAM
    assert sum(bool(h) for h in hints.values()) == 1


def test_who_made_a_pcollection() -> None:
    pipeline = beam.Pipeline()
    rows = pipeline | "Numbers" >> beam.Create([1]) | "Text" >> beam.Map(str)
    assert applied_steps.label_of_maker(rows) == "Text"
    assert applied_steps.label_of_maker(beam.pvalue.PBegin(pipeline)) == ""


def test_who_is_read() -> None:
    """Else branches are computed that nobody reads, or rows are missing."""
    pipeline = beam.Pipeline()
    read, side, unread = (pipeline | name >> beam.Create([1]) for name in "abc")
    last = read | beam.Map(lambda x, y: x, beam.pvalue.AsSingleton(side))
    found = applied_steps.read_pcollections(pipeline)
    assert {read, side} <= found
    assert not {unread, last} & found


class _Looks(FnApiRunner):
    """Notes whether the pipeline that it is given is run as it is."""

    found: list[bool]

    def run_pipeline(self, pipeline: Any, options: Any) -> Any:
        self.found.append(is_run_as_it_is(pipeline))
        other = beam.Pipeline()
        self.found.append(is_run_as_it_is(other))
        return super().run_pipeline(pipeline, options)


class InteractiveRunner(_Looks):
    """Has the name of Beam's own."""


@pytest.mark.parametrize("kind", [_Looks, InteractiveRunner])
def test_only_a_pipeline_in_run_is_run_as_it_is(kind: Any) -> None:
    runner = kind()
    runner.found = []
    with beam.Pipeline(runner) as pipeline:
        _ = pipeline | beam.Create([1])
        assert not is_run_as_it_is(pipeline)
        assert not has_run(pipeline)
    assert has_run(pipeline)
    assert not is_run_as_it_is(pipeline)
    assert runner.found == [kind is _Looks, False]


def test_a_label_is_told_from_its_transform() -> None:
    transform = beam.Keys()
    assert without_label("label" >> transform) == (transform, "label")
    assert without_label(transform) == (transform, None)


@beam.ptransform_fn  # type: ignore[untyped-decorator]
def _users(elements: Any) -> Any:
    return elements | beam.Map(str)


def test_transforms_that_apply_others() -> None:
    """Else composites of the user's are refused inside of a graph."""
    named = fully_qualified_named_transform.FullyQualifiedNamedTransform("x.Y", (), {})
    chained = beam.Keys() | beam.Map(str)
    for transform in (_users(), chained, named):
        assert applied_steps.applies_others(transform)
    for transform in (beam.Map(str), beam.Distinct(), beam.GroupByKey()):
        assert not applied_steps.applies_others(transform)


def test_hints_by_urn() -> None:
    hints = parse_hints({"accelerator": "type:nvidia-l4;count:1", "min_ram": "2GB"})
    assert hints == {
        "beam:resources:accelerator:v1": b"type:nvidia-l4;count:1",
        "beam:resources:min_ram_bytes:v1": b"2000000000",
    }


@pytest.mark.parametrize("hints", [{"no_such": 1}, {"min_ram": "much"}])
def test_what_beam_does_not_know(hints: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no_such|much"):
        parse_hints(hints)


def test_of_two_sizes_the_larger_and_else_the_inner() -> None:
    outer = parse_hints({"min_ram": "2GB", "accelerator": "type:a;count:1"})
    inner = parse_hints({"min_ram": "1GB", "accelerator": "type:b;count:1"})
    wanted = parse_hints({"min_ram": "2GB", "accelerator": "type:b;count:1"})
    assert merge_hints(outer, inner) == wanted
    assert merge_hints(outer, {}) == outer
    assert merge_hints({}, inner) == inner
