"""Timestamps and triggers of elements that a graph is made of.

What leaves a graph has the timestamps of what it was made of.

A GroupByKey gives its groups the time of the end of their window, that of the global
window the end of all times. Whoever then assigns an earlier one, the second at which a
frame is shown, would have late elements, which some runners drop without a word.

Streams are joined and committed when all of their window are known, so triggers of the
user's, by which groups are given early and in parts, do not hold inside a graph.

If Beam changes this: rows with the time at which a frame is shown are missing from
windows, or Beam warns of windows that differ where PCollections are flattened; or
streams of windows with triggers are committed several times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.trigger import AccumulationMode, DefaultTrigger
from apache_beam.transforms.window import GlobalWindows, TimestampCombiner

_EARLIEST = TimestampCombiner.OUTPUT_AT_EARLIEST


def with_earliest_times(elements: Any, label: str) -> Any:
    """The same elements; groups of them get the time of their earliest one.

    Args:
        elements: A PCollection; one that the user has put into windows stays as it is,
            but for triggers.
        label: Of the step.
    """
    windowing = elements.windowing
    triggered = in_global_window(elements) and _has_trigger(windowing)
    if not windowing.is_default() and not triggered:
        return _without_triggers(elements, label)
    earliest = beam.WindowInto(GlobalWindows(), timestamp_combiner=_EARLIEST)
    return elements | label >> earliest


def _without_triggers(elements: Any, label: str) -> Any:
    """The same elements in the same windows, whose groups are given when these end."""
    if not _has_trigger(elements.windowing):
        return elements
    whole = _WholeWindows(beam.Map(_same).fn)
    return elements | label >> whole.with_output_types(elements.element_type)


def _has_trigger(windowing: Any) -> bool:
    discards = windowing.accumulation_mode == AccumulationMode.DISCARDING
    return bool(windowing.triggerfn != DefaultTrigger() or not discards)


def in_global_window(elements: Any) -> bool:
    """Whether a PCollection is in no windows of time, whatever its trigger."""
    return isinstance(elements.windowing.windowfn, GlobalWindows)


def have_equal_windows(collections: Iterable[Any]) -> bool:
    """Whether PCollections are in the same windows, so that they can be joined."""
    first, *others = [each.windowing.windowfn for each in collections]
    return all(other == first for other in others)


def _same(element):  # type: ignore[no-untyped-def]
    return element


class _WholeWindows(beam.ParDo):  # type: ignore[misc]
    def get_windowing(self, inputs: Any) -> Any:
        given = super().get_windowing(inputs)
        return Windowing(
            given.windowfn,
            timestamp_combiner=given.timestamp_combiner,
            allowed_lateness=given.allowed_lateness.micros / 1e6,
        )


class LeavingParDo(beam.ParDo):  # type: ignore[misc]
    """A ParDo whose outputs have the windowing of the source: see the module."""

    def get_windowing(self, inputs: Any) -> Any:
        """What Beam asks of each transform."""
        return windowing_outside(super().get_windowing(inputs))


def windowing_outside(windowing: Any) -> Any:
    """The windowing of what leaves: without what ``with_earliest_times`` has changed."""
    plain = Windowing(GlobalWindows())
    earliest = Windowing(GlobalWindows(), timestamp_combiner=_EARLIEST)
    return plain if windowing == earliest else windowing
