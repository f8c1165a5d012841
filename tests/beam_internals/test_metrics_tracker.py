"""Beam's metrics outside its workers."""

from __future__ import annotations

import pickle
import threading

from apache_beam.metrics import Metrics

from beam_scanner.beam_internals.metrics_tracker import tracked_metrics


def test_updates_can_be_sent_and_made_elsewhere() -> None:
    """Else what kernels count is lost."""
    with tracked_metrics() as first:
        for _ in range(3):
            Metrics.counter("kernels", "boxes").inc(2)
        Metrics.distribution("kernels", "sizes").update(7)
        Metrics.distribution("kernels", "sizes").update(9)
    sent = pickle.loads(pickle.dumps(list(first.updates())))
    assert [value for _, value in sent] == [6, 7, 9]
    with tracked_metrics() as second:
        for updater, value in sent:
            updater(value)
    assert [value for _, value in second.updates()] == [6, 7, 9]


def test_each_thread_has_its_own() -> None:
    with tracked_metrics() as tracker:
        thread = threading.Thread(target=Metrics.counter("kernels", "boxes").inc)
        thread.start()
        thread.join()
    assert list(tracker.updates()) == []
