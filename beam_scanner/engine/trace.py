"""Durations in one task: counters, and spans for a Chrome trace."""

from __future__ import annotations

import os
import socket
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from beam_scanner.engine.instance import OpError
from beam_scanner.measure.levels import Levels
from beam_scanner.measure.spans import Recorder, Span

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


class TaskTrace(Recorder):
    """Counters and spans of one task; what its manifest stores.

    Attributes:
        counters: Names to whole numbers (rows, frames, bytes, calls).
        levels: Of rows and bytes in memory, and of queues.
        worker: Host and process.
        started: When the task began, in seconds since 1970.
        failed: Rows that are null because their kernel raised.

    Examples:
        >>> trace = TaskTrace()
        >>> from beam_scanner.measure.spans import span
        >>> with trace.recording(), span('decode'):
        ...     pass
        >>> list(trace.seconds)
        ['decode']
    """

    def __init__(self) -> None:
        super().__init__()
        self.counters: dict[str, int] = defaultdict(int)
        self.levels = Levels()
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.started = time.time()
        self.failed: list[FailedRows] = []
        self._failed_by: dict[tuple[int, str], FailedRows] = {}

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

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists."""
        return {
            "worker": self.worker,
            "interval": [round(self.started, 6), round(time.time(), 6)],
            "counters": dict(self.counters),
            "seconds": {name: round(took, 6) for name, took in self.seconds.items()},
            "spans": plain_spans(self.spans),
            "levels": [[round(when, 6), each] for when, each in self.levels.samples],
            "failed": [asdict(rows) for rows in self.failed],
        }


def plain_spans(spans: Sequence[Span]) -> list[Span]:
    """Spans as they are stored, in microseconds at most."""
    return [
        [name, round(begin, 6), round(end, 6), thread]
        for name, begin, end, thread in spans
    ]
