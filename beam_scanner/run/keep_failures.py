"""Stores the failures of a pipeline in the databases of its outputs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow

from beam_scanner.beam_internals.pardo_attributes import par_do
from beam_scanner.beam_internals.windowing import LeavingParDo
from beam_scanner.elements.hints import unread
from beam_scanner.errors import Failure, ScannerException
from beam_scanner.run.failure_records import TaskRows, each_once
from beam_scanner.run.worker_run import RunSource
from beam_scanner.storage.failure_files import write_failures
from beam_scanner.storage.streams.named import NamedStorage

_LOGGED_ROWS = 20

_log = logging.getLogger(__name__)


class KeepFailures(beam.PTransform):  # type: ignore[misc]
    """Stores failures of streams and rows, when all are known.

    Takes a PCollection of ``Failure`` and ``TaskRows``; returns one of ``Failure``, each
    once. A bundle that is executed again writes the same file again; where nothing
    failed none is written.

    Args:
        source: The run, which knows the databases.
        part: Of several steps of one run, which this is.
    """

    def __init__(self, source: RunSource, part: int = 0) -> None:
        super().__init__()
        self._keep = par_do(_Keep(), make=LeavingParDo, source=source, part=part)

    @unread
    def expand(self, reported: Any) -> Any:
        """Gathers them in one place."""
        return (
            reported
            | "No key" >> beam.Map(_without_key)
            | "All" >> beam.GroupByKey()
            | "Keep" >> self._keep.with_output_types(Failure)
        )


@unread
def _without_key(reported: Any) -> tuple[None, Any]:
    return None, reported


class _Keep(beam.DoFn):  # type: ignore[misc]
    source: RunSource
    part: int

    @unread
    def process(
        self,
        element: tuple[None, Iterable[Failure | TaskRows]],
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Failure]:
        _, reported = element
        failures = (e.failure if isinstance(e, TaskRows) else e for e in reported)
        when = max((each.ended or 0.0 for each in failures), default=0.0)
        name = self.source.run + (f"-{self.part}" if self.part else "")
        if not isinstance(window, GlobalWindow):
            name += f"-{int(window.max_timestamp())}"
        for db in self.source.homes():
            try:
                store = NamedStorage(db).store(create=True)
                kept = write_failures(store, name, each_once(reported), when)
                _log.info("failures of this run are in %s", kept)
            except ScannerException as error:
                _log.warning("failures of this run could not be stored: %s", error)
        rows = (each for each in reported if isinstance(each, TaskRows))
        for each in islice(rows, _LOGGED_ROWS):
            more = len(each.rows) - 1
            many = f", and {more} more rows" if more else ""
            first = next(each.failures(set()))
            _log.warning("null instead of failing: %s%s", first, many)
        yield from each_once(reported)
