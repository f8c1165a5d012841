"""Durations in one task: counters, and spans for a Chrome trace."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from beam_scanner.engine.instance import OpError

MOST_SPANS = 2000
"""Spans that one task keeps; later ones are only counted."""

MOST_TRACEBACKS = 20
"""Tracebacks of failed rows that one task keeps."""


@dataclass
class FailedRows:
    """Rows of one op that failed in one way, and are null for it.

    Attributes:
        node: The op's number in its graph.
        op: Its name.
        exception: Name of the class of what was raised.
        reason: What was raised.
        traceback: Of the first row; empty if the task had kept enough.
        rows: Rows of the op's own stream.
    """

    node: int
    op: str
    exception: str
    reason: str
    traceback: str
    rows: list[int] = field(default_factory=list)


@dataclass
class TaskTrace:
    """Counters and spans of one task; what its manifest stores.

    Attributes:
        counters: Names to whole numbers (rows, frames, bytes, calls).
        seconds: Names ('decode', 'op:Track', 'write') to seconds.
        spans: ``[name, begin, end, thread]``, seconds since the epoch.
        worker: Host and process.
        started: When the task began, in seconds since 1970.
        failed: Rows that are null because their kernel raised.

    Examples:
        >>> trace = TaskTrace()
        >>> with trace.span('decode'):
        ...     pass
        >>> list(trace.seconds)
        ['decode']
    """

    counters: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    spans: list[list[Any]] = field(default_factory=list)
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    started: float = field(default_factory=time.time)
    failed: list[FailedRows] = field(default_factory=list)
    _failed_by: dict[tuple[int, str], FailedRows] = field(default_factory=dict)

    def fail_row(self, node: int, row: int, error: OpError) -> None:
        """Notes a row that is null because its kernel raised."""
        self.counters["rows_failed"] += 1
        known = self._failed_by.get((node, error.reason))
        if known is None:
            details = error.details if len(self.failed) < MOST_TRACEBACKS else ""
            known = FailedRows(node, error.op, error.exception, error.reason, details)
            self._failed_by[node, error.reason] = known
            self.failed.append(known)
        known.rows.append(row)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Measures what runs inside."""
        begin = time.time()
        try:
            yield
        finally:
            end = time.time()
            self.seconds[name] += end - begin
            if len(self.spans) < MOST_SPANS:
                thread = threading.current_thread().name
                self.spans.append([name, begin, end, thread])

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists."""
        return {
            "worker": self.worker,
            "interval": [round(self.started, 6), round(time.time(), 6)],
            "counters": dict(self.counters),
            "seconds": {name: round(took, 6) for name, took in self.seconds.items()},
            "spans": [
                [name, round(begin, 6), round(end, 6), thread]
                for name, begin, end, thread in self.spans
            ],
            "failed": [asdict(rows) for rows in self.failed],
        }
