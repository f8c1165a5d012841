"""``scannerpy.common``: devices, cache modes, packet sizes, and Scanner's log."""

from __future__ import annotations

import logging

from beam_scanner.errors import ScannerException as ScannerException
from beam_scanner.planner.perf_params import PerfParams as PerfParams
from beam_scanner.run.cache_mode import CacheMode as CacheMode
from beam_scanner.types import ColumnType as ColumnType
from beam_scanner.types import DeviceHandle as DeviceHandle
from beam_scanner.types import DeviceType as DeviceType

log = logging.getLogger("scanner")
"""For programs to write to; this package's own log is ``beam_scanner``."""


class CustomFormatter(logging.Formatter):
    """Lines as Scanner's log has them.

    Examples:
        >>> record = logging.LogRecord('n', 20, 'dir/a.py', 7, 'hi %s', ('you',), None)
        >>> record.created = 0.0
        >>> CustomFormatter().format(record)[0], CustomFormatter().format(record)[20:]
        ('I', 'a.py:007] hi you')
    """

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        time = self.formatTime(record, "%y-%m-%d %H:%M:%S")
        place = f"{record.filename}:{record.lineno:03d}"
        return f"{record.levelname[0]} {time} {place}] {record.getMessage()}"


def _add_handler() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(CustomFormatter())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


if not log.handlers:
    _add_handler()
