"""Whole numbers as users give them: int, NumPy's integers, and whatever has an index."""

from __future__ import annotations

from typing import Any

from beam_scanner.errors import ArgumentError


def as_whole_number(value: Any) -> int | None:
    """The value as an int; None if it is not a whole number, as True is not.

    Examples:
        >>> as_whole_number(3), as_whole_number(True), as_whole_number('3')
        (3, None, None)
    """
    # By name, so that NumPy need not be loaded.
    if type(value).__name__ in ("bool", "bool_") or not hasattr(value, "__index__"):
        return None
    try:
        return int(value.__index__())
    except TypeError:  # an array of several numbers
        return None


def whole_number(value: Any, what: str) -> int:
    """The value as an int.

    Args:
        value: What was given.
        what: Names it in the error.

    Raises:
        ArgumentError: It is not a whole number.
    """
    number = as_whole_number(value)
    if number is None:
        raise ArgumentError(f"{what} must be a whole number, got {value!r}")
    return number
