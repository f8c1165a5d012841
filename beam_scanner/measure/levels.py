"""Levels that go up and down, such as rows in memory, looked at now and then."""

from __future__ import annotations

import time

MOST_SAMPLES = 400
"""Samples that are kept; of more, every other one goes and they become rarer."""

_SECONDS = 0.05


class Levels:
    """Samples of several levels, taken together.

    Attributes:
        samples: ``[time, {name: level}]``, times in seconds since 1970.

    Examples:
        >>> levels = Levels()
        >>> if levels.are_due():
        ...     levels.add({'rows in memory': 3})
        >>> levels.samples[0][1]
        {'rows in memory': 3}
    """

    def __init__(self) -> None:
        self.samples: list[tuple[float, dict[str, int]]] = []
        self._every = _SECONDS
        self._next = 0.0

    def are_due(self) -> bool:
        """Whether it is time to take a sample; cheap."""
        return time.time() >= self._next

    def add(self, levels: dict[str, int]) -> None:
        """Takes a sample."""
        now = time.time()
        if len(self.samples) >= MOST_SAMPLES:
            del self.samples[1::2]
            self._every *= 2
        self.samples.append((now, levels))
        self._next = now + self._every
