"""Errors as data: what is told of a stream that failed."""

from __future__ import annotations

import traceback

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
    text = "".join(traceback.format_exception(error))
    row, op, exception = None, None, type(error).__name__
    reason = f"{exception}: {error}"
    if isinstance(error, OpError):
        reason, row, op = error.reason, error.row, error.op
        text = error.details or text
    elif isinstance(error, ScannerException):
        reason = str(error)
    return Failure(
        name,
        reason,
        row,
        op,
        text,
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
