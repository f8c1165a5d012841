"""The last step of a job that no driver waits for: what a driver does at the end."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import apache_beam as beam

from beam_scanner.elements.hints import unread
from beam_scanner.run.active_runs import end_active
from beam_scanner.run.profiler import has_profile
from beam_scanner.run.report import conclude, end_jobs, keep_report
from beam_scanner.run.run_files import RunFiles
from beam_scanner.run.sent_file_systems import unpack_file_systems
from beam_scanner.run.when_complete import when_complete
from beam_scanner.stores.open import open_store

if TYPE_CHECKING:
    from beam_scanner.run.run_holder import Handover

_log = logging.getLogger(__name__)


class EndDetached(beam.DoFn):  # type: ignore[misc]
    """Ends a run, whose jobs have all ended.

    Args:
        handover: The run, pickled.
    """

    def __init__(self, handover: bytes) -> None:
        super().__init__()
        self._handover = handover

    @staticmethod
    def of(handover: Handover) -> Callable[[Any], Any]:
        """Applies it to the jobs that were committed."""
        packed = pickle.dumps(handover)

        def apply(jobs: Any) -> Any:
            return when_complete(jobs) | "End" >> beam.ParDo(EndDetached(packed))

        return apply

    @unread
    def process(self, _: Any) -> None:
        """See the class; doing it again changes nothing."""
        handover: Handover = pickle.loads(self._handover)
        unpack_file_systems(handover.file_systems)
        store = open_store(handover.source.db)
        active, files = handover.active, RunFiles(store, handover.source.run)
        if has_profile(store, active.number):
            files.remove()
            active.remove(store)
            return
        course, report = handover.course(), handover.report
        done = conclude(course.jobs, course.settings.graph.phases, files, report)
        keep_report(store, report, files.run)
        for failure in report.failures:
            _log.error("%s", failure)
        end_jobs(done)
        end_active(store, active, report)
        files.remove(tokens=not (report.failures and report.stopped))
