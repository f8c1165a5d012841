"""Temporary changes to what a whole process shares, made by several runs at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Change = Callable[[], AbstractContextManager[None]]


def overlapping(change: Change) -> Change:
    """Makes one change of several blocks that overlap in time.

    It is made when the first block begins and undone when the last one ends. Otherwise
    each block would restore what it had found, which may be another one's change.

    Args:
        change: Changes something on entry and puts it back on exit.

    Examples:
        >>> names = []
        >>> @overlapping
        ... @contextmanager
        ... def named():
        ...     names.append('a')
        ...     yield
        ...     names.pop()
        >>> first, second = named(), named()
        >>> with first:
        ...     _ = second.__enter__()
        >>> names
        ['a']
        >>> _ = second.__exit__(None, None, None)
        >>> names
        []
    """
    lock = threading.Lock()
    opened: list[AbstractContextManager[None]] = []
    blocks = 0

    @contextmanager
    def block() -> Iterator[None]:
        nonlocal blocks
        with lock:
            if not blocks:
                made = change()
                made.__enter__()
                opened.append(made)
            blocks += 1
        try:
            yield
        finally:
            with lock:
                blocks -= 1
                if not blocks:
                    opened.pop().__exit__(None, None, None)

    return block
