"""Timestamps of what is grouped, and what windows make of them."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window
from apache_beam.utils.timestamp import MIN_TIMESTAMP

from beam_scanner.elements.times import windowing_outside, with_earliest_times


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
