"""Timestamps of elements: what leaves a graph has those of what it was made of.

A GroupByKey gives its groups the time of the end of their window, that of the global
window the end of all times. Whoever then assigns an earlier one, the second at which a
frame is shown, would have late elements, which some runners drop without a word.

If Beam changes this: rows with the time at which a frame is shown are missing from
windows, or Beam warns of windows that differ where PCollections are flattened.
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.window import GlobalWindows, TimestampCombiner

_EARLIEST = TimestampCombiner.OUTPUT_AT_EARLIEST


def with_earliest_times(elements: Any, label: str) -> Any:
    """The same elements; groups of them get the time of their earliest one.

    Args:
        elements: A PCollection; one that the user has put into windows stays as it is.
        label: Of the step.
    """
    if not elements.windowing.is_default():
        return elements
    earliest = beam.WindowInto(GlobalWindows(), timestamp_combiner=_EARLIEST)
    return elements | label >> earliest


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
