"""Errors as data: what is reported of a stream that failed, and of single rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beam_scanner.engine.containment import ForeignError
from beam_scanner.engine.instance import OpError
from beam_scanner.engine.trace import FailedRows
from beam_scanner.errors import Failure, ScannerException
from beam_scanner.text.error_text import class_name, message_of, plain, traceback_of


def failure_of(name: str, error: BaseException, kind: str = "exception") -> Failure:
    """The failure of a job that an error has ended.

    Args:
        name: The job's name: that of its first output stream.
        error: What was raised.
        kind: See :class:`~beam_scanner.errors.Failure`.
    """
    row, op, details = None, None, ""
    exception, reason = class_name(error), message_of(error)
    if isinstance(error, OpError):
        row, op, details = error.row, error.op, error.details
        reason, exception = error.reason, error.exception
    elif isinstance(error, ForeignError):
        exception = error.exception
    elif not isinstance(error, ScannerException):
        reason = f"{exception}: {reason}" if reason else exception
    return Failure(
        plain(name),
        reason,
        row,
        op,
        details or traceback_of(error),
        kind,
        exception,
    )


@dataclass(frozen=True)
class TaskRows:
    """Rows of one task that are null because a kernel raised.

    Attributes:
        stream: The job's name.
        family: Family of the task.
        task: Its number.
        first_row: First output row of the task; None if unknown.
        last_row: Last output row.
        worker: Machine and process.
        started: When the task began.
        ended: When it ended.
        failed: The rows, and why.
    """

    stream: str
    family: int
    task: int
    first_row: int | None
    last_row: int | None
    worker: str
    started: float | None
    ended: float | None
    failed: FailedRows

    def failures(self, known: set[int]) -> Iterator[Failure]:
        """A failure for each row that is not known yet.

        Args:
            known: Rows of the op that were reported already: two tasks that need a row
                both compute it. Rows are added to it.
        """
        why = self.failed
        for row in why.rows:
            if row not in known:
                known.add(row)
                yield Failure(
                    plain(self.stream),
                    why.reason,
                    row,
                    why.op,
                    why.traceback,
                    "row",
                    why.exception,
                    self.task,
                    self.first_row,
                    self.last_row,
                    1,
                    self.worker,
                    self.started,
                    self.ended,
                )


def rows_of_manifest(
    stream: str, family: int, task: int, manifest: Mapping[str, Any]
) -> list[TaskRows]:
    """Rows that are null, from the manifest of a finished task."""
    found = manifest["trace"]
    record: Mapping[str, Any] = next(iter(manifest["outputs"]), {})
    started, ended = found.get("interval", (None, None))
    first, rows = record.get("first"), record.get("rows")
    last = None if first is None or not rows else first + rows - 1
    return [
        TaskRows(
            stream,
            family,
            task,
            first,
            last,
            found["worker"],
            started,
            ended,
            FailedRows(**rows),
        )
        for rows in found.get("failed", ())
    ]


def each_once(reported: Iterable[Failure | TaskRows]) -> Iterator[Failure]:
    """Failures of streams, each once, and of rows, each row of an op once."""
    streams: set[Failure] = set()
    rows: dict[tuple[str, int, int], set[int]] = {}
    for each in reported:
        if isinstance(each, TaskRows):
            key = (each.stream, each.family, each.failed.node)
            yield from each.failures(rows.setdefault(key, set()))
        elif each not in streams:
            streams.add(each)
            yield each
