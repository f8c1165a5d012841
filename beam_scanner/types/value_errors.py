"""Errors for values that are not of their element type."""

from __future__ import annotations

from typing import Any

import numpy as np

from beam_scanner.errors import ElementTypeError

# Wide enough for a whole frame in a message, short enough for one line.
_SHOWN = 60


def describe_value(value: Any) -> str:
    """Names the class of ``value`` and a little of it, for error messages."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with shape {value.shape}"
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
    return f"{type(value).__name__} {shown}"


def wrong_value(name: str, value: Any, expected: str) -> ElementTypeError:
    """The error for a value that type ``name`` cannot hold."""
    return ElementTypeError(
        f"type {name} expected {expected}, got {describe_value(value)}"
    )


def damaged_value(name: str, why: object) -> ElementTypeError:
    """The error for stored bytes that are no value of type ``name``."""
    return ElementTypeError(f"type {name} cannot read a stored value: {why}")
