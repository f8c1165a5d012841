"""Errors as data: what is told of a stream that failed."""

from __future__ import annotations

import traceback

from beam_scanner.engine.instance import OpError
from beam_scanner.errors import Failure, ScannerException


def failure_of(name: str, error: BaseException) -> Failure:
    """What to tell of an error that ended a job."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, OpError):
        return Failure(name, error.reason, error.row, error.op, error.details or text)
    if isinstance(error, ScannerException):
        return Failure(name, str(error), traceback=text)
    return Failure(name, f"{type(error).__name__}: {error}", traceback=text)
