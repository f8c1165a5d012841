"""Adds to each log record of a kernel which stream, op and row it is about."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from beam_scanner.beam_internals.overlapping import overlapping
from beam_scanner.text.error_text import plain


@dataclass
class Place:
    """Where a task is; ``op`` and ``row`` change while it runs."""

    stream: str
    op: str = ""
    row: int = -1


_place: contextvars.ContextVar[Place | None] = contextvars.ContextVar(
    "beam_scanner_place", default=None
)


def _mark(record: logging.LogRecord) -> None:
    place = _place.get()
    if place is not None and place.op and not hasattr(record, "beam_scanner"):
        record.beam_scanner = (place.stream, place.op, place.row)
        try:
            text = record.getMessage()
        except Exception:
            # The handler reports a wrong format string; a call that logs never fails.
            return
        where = f"stream {place.stream!r}, op {place.op}, row {place.row}"
        # Lone surrogates cannot be sent to where workers log to.
        record.msg, record.args = plain(f"[{where}] {text}"), None


@contextmanager
def log_context(place: Place) -> Iterator[None]:
    """While open, log records of this thread carry the place.

    The process has its own record factory again when no block is open any more.

    Examples:
        >>> with log_context(Place('a.mp4', 'Track', 3)):
        ...     record = logging.LogRecord('k', 20, '', 0, 'lost %s', ('it',), None)
        ...     _mark(record)
        >>> record.getMessage()
        "[stream 'a.mp4', op Track, row 3] lost it"
    """
    token = _place.set(place)
    try:
        with _marking():
            yield
    finally:
        _place.reset(token)


@overlapping
@contextmanager
def _marking() -> Iterator[None]:
    """Marks records where they are made, so that every handler sees the place."""
    make = logging.getLogRecordFactory()

    def factory(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make(*args, **kwargs)
        _mark(record)
        return record

    logging.setLogRecordFactory(factory)
    try:
        yield
    finally:
        # A kernel's library may have put its own around it, and that stays.
        if logging.getLogRecordFactory() is factory:
            logging.setLogRecordFactory(make)
