"""Timestamps of what is grouped, and what windows make of them."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import trigger, window
from apache_beam.utils.timestamp import MIN_TIMESTAMP

from beam_scanner.beam_internals.windowing import (
    LeavingParDo,
    has_growing_windows,
    have_equal_windows,
    in_global_window,
    keep_late,
    may_be_late,
    pane_name,
    windowing_outside,
    with_earliest_times,
)
from beam_scanner.transforms import (
    Histogram,
    ReadFromVideo,
    ShotBoundaries,
    Stride,
    WriteToNamedStream,
    WriteToNamedVideo,
)


def _time(element: object, time: object = beam.DoFn.TimestampParam) -> object:
    return time


def test_groups_have_the_earliest_time() -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        pairs = pipeline | beam.Create([("a", 1), ("a", 2)])
        grouped = with_earliest_times(pairs, "Times") | beam.GroupByKey()
        assert_that(grouped | beam.Map(_time), equal_to([MIN_TIMESTAMP]))
        assert windowing_outside(grouped.windowing) == pairs.windowing


def test_windows_of_the_user_stay() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    fixed = pipeline | beam.Create([1]) | beam.WindowInto(window.FixedWindows(5))
    assert with_earliest_times(fixed, "Times") is fixed
    assert windowing_outside(fixed.windowing) is fixed.windowing


@pytest.mark.parametrize("mode", ["ACCUMULATING", "DISCARDING"])
def test_triggers_of_the_user_do_not_hold_inside(mode: str) -> None:
    early = trigger.AfterWatermark(early=trigger.AfterCount(1))
    given = getattr(trigger.AccumulationMode, mode)
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        timed = pipeline | beam.Create([("a", 1), ("a", 2)])
        of_time = window.SlidingWindows(10, 5)
        sliding = timed | beam.WindowInto(
            of_time, trigger=early, accumulation_mode=given, allowed_lateness=3
        )
        inside = with_earliest_times(sliding, "Times")
        assert inside.windowing.windowfn == of_time
        assert inside.windowing.triggerfn == trigger.DefaultTrigger()
        assert inside.windowing.accumulation_mode == trigger.AccumulationMode.DISCARDING
        assert inside.windowing.allowed_lateness == sliding.windowing.allowed_lateness
        sizes = inside | beam.GroupByKey() | beam.MapTuple(lambda k, v: len(list(v)))
        # Elements stay in the windows that they are in.
        assert_that(sizes, equal_to([2, 2]))


def test_triggers_of_the_global_window() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    every = beam.WindowInto(
        window.GlobalWindows(),
        trigger=trigger.Repeatedly(trigger.AfterCount(1)),
        accumulation_mode=trigger.AccumulationMode.DISCARDING,
    )
    pairs = pipeline | beam.Create([("a", 1)]) | every
    inside = with_earliest_times(pairs, "Times")
    assert inside.windowing.triggerfn == trigger.DefaultTrigger()
    assert in_global_window(pairs)
    assert in_global_window(inside)


def test_windows_are_compared() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    plain = pipeline | beam.Create([1])
    fixed = plain | "5" >> beam.WindowInto(window.FixedWindows(5))
    other = plain | "6" >> beam.WindowInto(window.FixedWindows(6))
    assert have_equal_windows([fixed, fixed])
    assert not have_equal_windows([fixed, other])
    assert not have_equal_windows([plain, fixed])


def test_what_leaves_has_the_windowing_of_the_source() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    pairs = pipeline | beam.Create([("a", 1)])
    grouped = with_earliest_times(pairs, "Times") | beam.GroupByKey()
    left = grouped | LeavingParDo(_once)
    assert left.windowing == pairs.windowing != grouped.windowing


def test_a_pipeline_flattens_equal_windowings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else Beam logs a warning for each PCollection."""
    pipeline = beam.Pipeline(runner="FnApiRunner")
    frames = pipeline | ReadFromVideo(f"{tmp_path}/*.mp4")
    small = frames | Stride(8) | WriteToNamedVideo(str(tmp_path), "small/{stream}")
    shots = frames | Histogram() | ShotBoundaries()
    stored = shots | WriteToNamedStream(str(tmp_path), "small/b/{stream}")
    _ = (small.commits, stored.commits) | "Commits" >> beam.Flatten()
    _ = (small.failures, stored.failures, frames.failures) | beam.Flatten()
    assert "same window" not in caplog.text


def _once(element: object) -> object:
    yield element


def test_windows_that_take_late_elements() -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    pairs = pipeline | beam.Create([("a", 1)])
    assert not may_be_late(pairs)
    late = beam.WindowInto(window.FixedWindows(5), allowed_lateness=3)
    assert may_be_late(pairs | "Late" >> late)
    assert not may_be_late(pairs | "5" >> beam.WindowInto(window.FixedWindows(5)))
    growing = pairs | "Growing" >> beam.WindowInto(window.Sessions(5))
    assert has_growing_windows(growing)
    assert not has_growing_windows(pairs)


def _pane(
    element: tuple[str, object],
    window: object = beam.DoFn.WindowParam,
    pane: object = beam.DoFn.PaneInfoParam,
) -> tuple[str, str]:
    return element[0], pane_name(window, pane)


def test_late_elements_are_kept_and_told_apart() -> None:
    stream = TestStream()
    for number, name in enumerate("aba"):
        stream = stream.add_elements([window.TimestampedValue((name, number), 1)])
        stream = stream.advance_watermark_to(10 + number)
    options = PipelineOptions(["--runner=BundleBasedDirectRunner", "--streaming"])
    late = beam.WindowInto(window.FixedWindows(5), allowed_lateness=100)
    with beam.Pipeline(options=options) as pipeline:
        timed = pipeline | stream.advance_watermark_to_infinity() | late
        spread = keep_late(timed | beam.GroupByKey() | beam.Reshuffle())
        found = spread | beam.Map(_pane)
        first, second = "4999999 0", "4999999 1"
        assert_that(found, equal_to([("a", first), ("b", first), ("a", second)]))


def test_panes_of_the_global_window_have_no_name() -> None:
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        grouped = pipeline | beam.Create([("a", 1)]) | beam.GroupByKey()
        assert_that(grouped | beam.Map(_pane), equal_to([("a", "")]))
