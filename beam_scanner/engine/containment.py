"""Whatever users' code raises, ``Exception`` or not, fails its stream and no other.

``asyncio.CancelledError``, ``KeyboardInterrupt``, ``GeneratorExit``, ``SystemExit`` and
classes of the user's own (panics of Rust are one) derive from ``BaseException`` alone.
They would pass every ``except Exception`` on their way and end the run.
"""

from __future__ import annotations

import dis
import threading
from collections.abc import Callable
from typing import Any

from beam_scanner.errors import ScannerException
from beam_scanner.text.error_text import class_name, message_of
from beam_scanner.text.exception_parts import is_a, traceback_in

_RAISE = {dis.opmap["RAISE_VARARGS"], dis.opmap["RERAISE"]}


class ForeignError(ScannerException, RuntimeError):
    """Users' code raised something that is not an ``Exception``.

    Attributes:
        exception: Name of its class.
    """

    def __init__(self, message: str, exception: str = "") -> None:
        super().__init__(message)
        self.exception = exception

    def __reduce__(self) -> tuple[type[ForeignError], tuple[str, str]]:
        return ForeignError, (str(self), self.exception)


def is_interrupt(error: BaseException) -> bool:
    """Whether the user has interrupted the program, and no code raised the error.

    Python raises an interrupt between any two steps of the main thread, where code
    has no ``raise``.
    """
    if not is_a(error, KeyboardInterrupt):
        return False
    trace = traceback_in(error)
    if trace is None or threading.current_thread() is not threading.main_thread():
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] not in _RAISE


class raising_as:
    """Raises, in place of any error inside but a user's interrupt, another one.

    Args:
        convert: Makes it of the error; None lets the error pass.
    """

    # No generator: contextlib takes a StopIteration for its own.
    def __init__(self, convert: Callable[[BaseException], Exception | None]) -> None:
        self._convert = convert

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if error is not None and not is_interrupt(error):
            raised = self._convert(error)
            if raised is not None:
                raise raised from error


def contained(what: str) -> raising_as:
    """Makes an ``Exception`` of whatever is raised inside.

    Args:
        what: Begins the message: what was done, as 'opening a stream'.

    Raises:
        ForeignError: Something was raised that is not an ``Exception``, or is the one
            with which Python ends a loop.

    Examples:
        >>> with contained('opening a stream'):
        ...     raise SystemExit(3)
        Traceback (most recent call last):
        beam_scanner.engine.containment.ForeignError: opening a stream raised SystemExit: 3
    """

    def convert(error: BaseException) -> Exception | None:
        passes = is_a(error, Exception) and not is_a(error, StopIteration)
        return None if passes else foreign(what, error)

    return raising_as(convert)


def foreign(what: str, error: BaseException) -> ForeignError:
    """The error for one that is not an ``Exception``; see :func:`contained`."""
    name, text = class_name(error), message_of(error)
    return ForeignError(f"{what} raised {name}{': ' if text else ''}{text}", name)
