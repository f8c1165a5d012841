"""Keeps Beam from configuring the root logger of somebody else's program.

Beam calls ``logging.basicConfig`` each time that pipeline options are made or looked
at. In a program without log handlers that installs one for good: its libraries' log
lines look different afterwards, and handlers that the program adds print them twice.

If Beam changes this: nothing breaks, where it has stopped to do so; if it configures
the logger in another way, a run leaves a log handler behind.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from beam_scanner.beam_internals.overlapping import overlapping

P = ParamSpec("P")
R = TypeVar("R")


class _AsWithoutHandlers(logging.Handler):
    """Does what Python does where there is no handler: prints warnings on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        last = logging.lastResort
        alone = logging.getLogger().handlers == [self]
        if alone and last is not None and record.levelno >= last.level:
            last.handle(record)


@overlapping
@contextmanager
def root_logger_kept() -> Iterator[None]:
    """While open, Beam does not configure the root logger."""
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    # With a handler there, basicConfig does nothing.
    handler = _AsWithoutHandlers()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def keeps_root_logger(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function whose pipeline options leave the root logger alone.

    Examples:
        >>> from apache_beam.options.pipeline_options import PipelineOptions
        >>> make = keeps_root_logger(PipelineOptions)
        >>> before = list(logging.getLogger().handlers)
        >>> _ = make(['--runner=DirectRunner'])
        >>> logging.getLogger().handlers == before
        True
    """

    @functools.wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        with root_logger_kept():
            return function(*args, **kwargs)

    return kept
