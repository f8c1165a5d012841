"""Spans of time, recorded by the thread that spends them.

Code that is called a few times a second marks a *span*, which a trace shows as a bar of
its own. Code that is called for every frame marks a *part*: of the parts inside a span
only the sums are kept. Where nobody records, both cost less than a microsecond.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

MOST_SPANS = 2000
"""Spans that one recorder keeps; later ones are only counted."""

_SHORTEST = 100e-6
"""Shorter ones are only counted: no viewer shows them."""

PARTS = " (parts)"
"""Follows the name of a thread where sums of parts stand."""

Span = list[Any]
"""Name, begin and end in seconds since 1970, thread."""


class Recorder:
    """Keeps the spans of what it records, in all threads that it is given.

    Attributes:
        seconds: By name; without those of the spans and parts inside.
        spans: The first ones. The sums of the parts of one lie inside it, one after the
            other, in a thread of their own name.

    Examples:
        >>> recorder = Recorder()
        >>> with recorder.recording(), span('read'), part('decode'):
        ...     pass
        >>> sorted(recorder.seconds)
        ['decode', 'read']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.spans: list[Span] = []

    @contextmanager
    def recording(self) -> Iterator[Self]:
        """Records what this thread does."""
        before, _here.recorder = _here.recorder, self
        inside, _here.inside = _here.inside, None
        try:
            yield self
        finally:
            _here.recorder, _here.inside = before, inside

    def add(
        self, name: str, begin: float, end: float, inside: _Inside | None = None
    ) -> None:
        """Adds a span that has ended.

        Args:
            name: Of it.
            begin: In seconds since 1970.
            end: The same.
            inside: What it consists of.
        """
        inside = inside or _Inside()
        parts = sum(inside.parts.values())
        self.seconds[name] += max(0.0, end - begin - inside.seconds - parts)
        for each, seconds in inside.parts.items():
            self.seconds[each] += seconds
        thread = threading.current_thread().name
        self._keep([name, begin, end, thread])
        # Clocks of many short parts may add up to more than there is.
        scale = min(1.0, (end - begin) / parts) if parts else 1.0
        for each, seconds in inside.parts.items():
            until = begin + seconds * scale
            self._keep([each, begin, until, thread + PARTS])
            begin = until

    def _keep(self, span: Span) -> None:
        if len(self.spans) < MOST_SPANS and span[2] - span[1] >= _SHORTEST:
            self.spans.append(span)


class _Inside:
    """What is inside a span that has not ended.

    Attributes:
        seconds: Of the spans.
        parts: Seconds by name.
    """

    __slots__ = ("parts", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.parts: dict[str, float] = {}


class _Here(threading.local):
    recorder: Recorder | None = None
    inside: _Inside | None = None


_here = _Here()


def spans_here() -> list[Span]:
    """What the recorder of this thread has kept so far; nothing without one."""
    return [] if _here.recorder is None else list(_here.recorder.spans)


class span:
    """Measures what runs inside, for whoever records this thread.

    Args:
        name: What it is.
    """

    __slots__ = ("_above", "_begin", "_inside", "_name", "_recorder")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._recorder = _here.recorder
        if self._recorder is not None:
            self._above, self._inside = _here.inside, _Inside()
            _here.inside = self._inside
            self._begin = time.time()

    def __exit__(self, *_: object) -> None:
        if self._recorder is not None:
            end = time.time()
            _here.inside = self._above
            if self._above is not None:
                self._above.seconds += max(0.0, end - self._begin)
            self._recorder.add(self._name, self._begin, end, self._inside)


class part:
    """Measures what runs inside, as a part of the span around it.

    Parts do not nest, and outside a span they are not measured.

    Args:
        name: What it is.
    """

    __slots__ = ("_begin", "_inside", "_name")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._inside = _here.inside
        if self._inside is not None:
            self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        inside = self._inside
        if inside is not None:
            took = time.perf_counter() - self._begin
            inside.parts[self._name] = inside.parts.get(self._name, 0.0) + took
