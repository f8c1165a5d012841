"""Errors as data: what is told of a stream that failed."""

from __future__ import annotations

from beam_scanner._error_text import class_name, message_of, plain, traceback_of
from beam_scanner.engine.containment import ForeignError
from beam_scanner.engine.instance import OpError
from beam_scanner.errors import Failure, ScannerException


def failure_of(
    name: str,
    error: BaseException,
    *,
    kind: str = "exception",
    task: int | None = None,
    first_row: int | None = None,
    last_row: int | None = None,
    attempts: int = 1,
    worker: str = "",
    started: float | None = None,
    ended: float | None = None,
) -> Failure:
    """What to tell of an error that ended a job.

    Args:
        name: The job's name: that of its first output stream.
        error: What was raised.
        kind: See :class:`~beam_scanner.errors.Failure`, as all that follow.
        task: Number of the task.
        first_row: First output row of the task.
        last_row: Last output row of the task.
        attempts: How often it was tried.
        worker: Machine and process of the last attempt.
        started: When the last attempt began, in seconds since 1970.
        ended: When it ended.
    """
    row, op, details = None, None, ""
    exception, reason = class_name(error), message_of(error)
    if isinstance(error, OpError):
        row, op, details = error.row, error.op, error.details
        reason, exception = error.reason, error.exception
    elif isinstance(error, ForeignError):
        exception = error.exception
    elif not isinstance(error, ScannerException):
        reason = f"{exception}: {reason}"
    return Failure(
        plain(name),
        reason,
        row,
        op,
        details or traceback_of(error),
        kind,
        exception,
        task,
        first_row,
        last_row,
        attempts,
        worker,
        started,
        ended,
    )
