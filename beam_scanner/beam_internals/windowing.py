"""Timestamps and triggers of elements that a graph is made of.

What leaves a graph has the timestamps of what it was made of.

A GroupByKey gives its groups the time of the end of their window, that of the global
window the end of all times. Whoever then assigns an earlier one, the second at which a
frame is shown, would have late elements, which some runners drop without a word.

Streams are joined and committed when all of their window are known, so triggers of the
user's, by which groups are given early and in parts, do not hold inside a graph.

Elements may be late, where their windows allow it. A GroupByKey gives them as they come,
a *pane* for each bundle of them. A Reshuffle keeps them, too; but where a runner knows
it as the GroupByKey that it is made of, that allows no lateness and drops them.

If Beam changes this: rows with the time at which a frame is shown are missing from
windows, or Beam warns of windows that differ where PCollections are flattened; or
streams of windows with triggers are committed several times; or late ones are lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.trigger import AccumulationMode, DefaultTrigger
from apache_beam.transforms.userstate import BagStateSpec
from apache_beam.transforms.window import (
    BoundedWindow,
    GlobalWindow,
    GlobalWindows,
    NonMergingWindowFn,
    TimestampCombiner,
)
from apache_beam.utils.windowed_value import PaneInfoTiming

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


def may_be_late(elements: Any) -> bool:
    """Whether elements of a PCollection may come when their window has ended."""
    lateness = elements.windowing.allowed_lateness.micros
    return bool(lateness) and not in_global_window(elements)


def is_late(pane: Any) -> bool:
    """Whether a group was given when its window had ended already.

    Args:
        pane: What Beam gives for ``DoFn.PaneInfoParam``.
    """
    return bool(pane.timing == PaneInfoTiming.LATE)


def bag_state(name: str) -> Any:
    """The default of a parameter of ``process``: values kept for a key and a window."""
    return beam.DoFn.StateParam(BagStateSpec(name, FastPrimitivesCoder()))


def has_growing_windows(elements: Any) -> bool:
    """Whether windows of a PCollection are merged, as those of sessions."""
    return not isinstance(elements.windowing.windowfn, NonMergingWindowFn)


def pane_name(window: Any, pane: Any) -> str:
    """Tells a group from those of the same key that come in other windows, or late.

    Args:
        window: What Beam gives for ``DoFn.WindowParam``.
        pane: What it gives for ``DoFn.PaneInfoParam``.

    Returns:
        Text, which is the same when a bundle is executed again; '' in the global window.
    """
    if not isinstance(window, BoundedWindow) or isinstance(window, GlobalWindow):
        return ""
    return f"{window.max_timestamp().micros} {pane.index}"


def keep_late(reshuffled: Any) -> Any:
    """Keeps a Reshuffle from dropping late elements.

    Args:
        reshuffled: What the Reshuffle has given.

    Returns:
        The same.
    """
    if may_be_late(reshuffled):
        step = reshuffled.producer
        while step.inputs and not isinstance(step.transform, beam.GroupByKey):
            step = step.inputs[0].producer
        # That of the Reshuffle, which made this windowing for it alone.
        lateness = reshuffled.windowing.allowed_lateness
        step.inputs[0].windowing.allowed_lateness = lateness
    return reshuffled


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
