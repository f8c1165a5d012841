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
from beam_scanner.text.exception_parts import is_a


def failure_of(name: str, error: BaseException, kind: str = "exception") -> Failure:
    """The failure of a job that an error has ended.

    Args:
        name: The job's name: that of its first output stream.
        error: What was raised.
        kind: See :class:`~beam_scanner.errors.Failure`.
    """
    row, op, details = None, None, ""
    exception, reason = class_name(error), message_of(error)
    if is_a(error, OpError):
        row, op, details = error.row, error.op, error.details
        reason, exception = error.reason, error.exception
    elif is_a(error, ForeignError):
        exception = error.exception
    elif not is_a(error, ScannerException):
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
    """Rows of one op in one task that are null because its kernel raised.

    Attributes:
        op: Name of the job, number of the task's family, number of the op's node.
        failure: Of all of them alike; its ``row`` is not set.
        rows: Of the op's own stream.
    """

    op: tuple[str, int, int]
    failure: Failure
    rows: tuple[int, ...]

    def failures(self, known: set[int]) -> Iterator[Failure]:
        """A failure for each row that is not known yet.

        Args:
            known: Rows of the op that were reported already: two tasks that need a row
                both compute it. Rows are added to it.
        """
        for row in self.rows:
            if row not in known:
                known.add(row)
                yield self.failure._replace(row=row)


def rows_of_manifest(
    stream: str, family: int, task: int, manifest: Mapping[str, Any]
) -> list[TaskRows]:
    """Rows that are null, from the manifest of a finished task."""
    trace = manifest["trace"]
    record: Mapping[str, Any] = next(iter(manifest["outputs"]), {})
    started, ended = trace.get("interval", (None, None))
    first, rows = record.get("first"), record.get("rows")
    of_task = Failure(
        plain(stream),
        "",
        kind="row",
        task=task,
        first_row=first,
        last_row=None if first is None or not rows else first + rows - 1,
        worker=trace["worker"],
        started=started,
        ended=ended,
    )
    return [
        TaskRows(
            (stream, family, found.node),
            of_task._replace(
                reason=found.reason,
                op=found.op,
                traceback=found.traceback,
                exception=found.exception,
            ),
            tuple(found.rows),
        )
        for found in (FailedRows(**fields) for fields in trace.get("failed", ()))
    ]


def each_once(reported: Iterable[Failure | TaskRows]) -> Iterator[Failure]:
    """Failures of streams, each once, and of rows, each row of an op once."""
    streams: set[Failure] = set()
    rows: dict[tuple[str, int, int], set[int]] = {}
    for each in reported:
        if isinstance(each, TaskRows):
            yield from each.failures(rows.setdefault(each.op, set()))
        elif each not in streams:
            streams.add(each)
            yield each
