"""Gives memory that a task has freed back to the system."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any


@functools.cache
def _trim() -> Callable[[int], Any] | None:
    """The C library's ``malloc_trim``; None if it has none."""
    try:
        found = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return found if callable(found) else None


def release_memory() -> None:
    """Returns freed memory to the system, where the C library can.

    Frames, encoders and their threads leave holes in the heap; kept from task to
    task, these make a worker grow with the length of a film.

    Examples:
        >>> release_memory()
    """
    trim = _trim()
    if trim is not None:
        trim(0)
