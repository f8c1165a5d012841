"""Beam's metrics where no harness counts them, to be counted by another process.

Kernels count with ``beam.metrics.Metrics`` in processes that are no workers of Beam's.
There each update is looked for a *state tracker* of its thread.

If Beam changes this: what kernels count is lost without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.metrics.cells import CounterCell
from apache_beam.metrics.execution import MetricUpdater
from apache_beam.runners.worker import statesampler


class MetricsTracker:
    """The updates of one thread's metrics."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()
        self._others: list[tuple[Any, Any]] = []

    def update_metric(self, name: Any, value: Any) -> None:
        """Called by Beam."""
        if name.cell_type is CounterCell:
            self._counts[name] += value
        else:
            self._others.append((name, value))

    def updates(self) -> Iterator[tuple[Any, Any]]:
        """Each metric's updater, which can be pickled, and what to call it with."""
        for name, value in [*self._counts.items(), *self._others]:
            yield MetricUpdater(name.cell_type, name.metric_name), value


@contextmanager
def tracked_metrics() -> Iterator[MetricsTracker]:
    """While open, metrics of this thread are kept instead of lost.

    Examples:
        >>> from apache_beam.metrics import Metrics
        >>> with tracked_metrics() as tracker:
        ...     Metrics.counter('kernels', 'boxes').inc(3)
        >>> [value for updater, value in tracker.updates()]
        [3]
    """
    tracker = MetricsTracker()
    statesampler.set_current_tracker(tracker)
    try:
        yield tracker
    finally:
        statesampler.set_current_tracker(None)
