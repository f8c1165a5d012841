"""What took how long in one task: counters, and spans for a Chrome trace."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MOST_SPANS = 2000
"""Spans that one task keeps; later ones are only counted."""


@dataclass
class TaskTrace:
    """Counters and spans of one task; what its manifest stores.

    Attributes:
        counters: Names to whole numbers (rows, frames, bytes, calls).
        seconds: Names ('decode', 'op:Track', 'write') to seconds.
        spans: ``[name, begin, end, thread]``, seconds since the epoch.
        worker: Host and process.

    Example:
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
            "counters": dict(self.counters),
            "seconds": {name: round(took, 6) for name, took in self.seconds.items()},
            "spans": [
                [name, round(begin, 6), round(end, 6), thread]
                for name, begin, end, thread in self.spans
            ],
        }
