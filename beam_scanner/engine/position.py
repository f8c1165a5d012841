"""Where a task is, written where another process can read it.

When a process dies or hangs in the middle of a kernel nothing can be asked of it any
more. So before each call a task says what it is about to do, in memory that outlives
the process.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock

_HEAD = struct.Struct("<BB110s")
_ROWS = struct.Struct("<qq")
_HEAD_BYTES = _HEAD.size
_ENTRY_BYTES = _HEAD_BYTES + _ROWS.size

POSITION_BYTES = 2 * _ENTRY_BYTES
"""Memory of one task: what its two threads do."""

NOTHING, LOAD, SETUP, CALL, CLOSE, OPEN, READ, WRITE, PUBLISH = range(9)

_WORDS = {
    LOAD: "while it loaded the graph and its kernels",
    SETUP: "while the kernel was set up",
    CLOSE: "while the kernel was closed",
    OPEN: "while it opened stream {name!r}",
    READ: "while it read rows {first} to {last} of stream {name!r}",
    WRITE: "while it wrote rows {first} to {last}",
    PUBLISH: "while it published the stream",
}


@dataclass(frozen=True)
class Doing:
    """The activity of a thread.

    Attributes:
        kind: One of the constants above.
        name: Of the op or the stream.
        first: First row; -1 where there is none.
        last: Last row.
    """

    kind: int
    name: str
    first: int
    last: int

    @property
    def op(self) -> str | None:
        """The op whose kernel was at work."""
        return self.name if self.kind in (SETUP, CALL, CLOSE) else None

    @property
    def row(self) -> int | None:
        """The row that the kernel was called for, the first one of a batch."""
        return self.first if self.kind == CALL and self.first >= 0 else None

    def __str__(self) -> str:
        words = _WORDS.get(self.kind, "")
        return words.format(name=self.name, first=self.first, last=self.last)


class Entry:
    """The activity of one thread of a task."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory

    def begin(self, kind: int, name: str, first: int = -1, last: int = -1) -> None:
        """Notes the next activity."""
        text = name.encode(errors="replace")[:110]
        self._memory[0] = NOTHING
        _ROWS.pack_into(self._memory, _HEAD_BYTES, first, last)
        _HEAD.pack_into(self._memory, 0, kind, len(text), text)

    def rows(self, first: int, last: int) -> None:
        """Says that the same continues with these rows."""
        _ROWS.pack_into(self._memory, _HEAD_BYTES, first, last)

    def end(self) -> None:
        """Notes its end."""
        self._memory[0] = NOTHING

    @contextmanager
    def doing(
        self, kind: int, name: str, first: int = -1, last: int = -1
    ) -> Iterator[None]:
        """Says so while open."""
        self.begin(kind, name, first, last)
        try:
            yield
        finally:
            self.end()

    def read(self) -> Doing:
        """The latest activity."""
        kind, length, text = _HEAD.unpack_from(self._memory)
        first, last = _ROWS.unpack_from(self._memory, _HEAD_BYTES)
        return Doing(kind, text[:length].decode(errors="replace"), first, last)


class Position:
    """Where a task is.

    Args:
        memory: ``POSITION_BYTES`` of it; the process's own where nobody will read it.
        in_turns: Whether its threads work one at a time, so that it is certain which
            of them is to blame for the death of the process.

    Attributes:
        work: What the thread does that calls kernels and writes.
        reading: What the thread does that reads.

    Examples:
        >>> position = Position()
        >>> position.work.begin(CALL, 'Track', 7, 7)
        >>> position.now().op, position.now().row
        ('Track', 7)
    """

    def __init__(
        self, memory: memoryview | None = None, in_turns: bool = False
    ) -> None:
        held = memoryview(bytearray(POSITION_BYTES)) if memory is None else memory
        self.work = Entry(held[:_ENTRY_BYTES])
        self.reading = Entry(held[_ENTRY_BYTES:])
        self._process = os.getpid()
        self._turn = Lock() if in_turns else None

    def turn(self) -> AbstractContextManager[object]:
        """Waits until no other thread of the task is at work."""
        return self._turn or nullcontext()

    def now(self) -> Doing:
        """The current activity; that of kernels goes first."""
        work = self.work.read()
        return work if work.kind != NOTHING else self.reading.read()

    def clear(self) -> None:
        """Forgets all activity."""
        self.work.end()
        self.reading.end()

    def leave_if_forked(self) -> None:
        """Ends a process that a kernel forked and that comes back from its call.

        It would do the rest of the task a second time.
        """
        if os.getpid() != self._process:
            os._exit(0)
