"""Tells a user's interrupt from a KeyboardInterrupt that a kernel raises."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _State:
    watched = False
    came = False


_state = _State()


@contextmanager
def watched() -> Iterator[None]:
    """While open, whoever handles interrupts in the main thread tells by :func:`came`."""
    _state.watched, _state.came = True, False
    try:
        yield
    finally:
        _state.watched = False


def came() -> None:
    """The user has interrupted."""
    _state.came = True


def is_by_user(error: BaseException) -> bool:
    """Whether an error is the user's interrupt, and no fault of the code that it struck.

    Example:
        >>> is_by_user(ValueError())
        False
    """
    # Python handles signals in the main thread alone.
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and (_state.came or not _state.watched)
    )
