"""Exceptions whose classes raise wherever they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _raises(*_: Any) -> Any:
    raise SystemExit("of its own")


BASES = {"plain": (ValueError,), "group": (ExceptionGroup, ValueError)}


def odd_class(what: str, base: str = "plain") -> Callable[[], BaseException]:
    """A class that raises where this is read; gives how one is made."""
    odd: Any = _raises if what.startswith("__get") else property(_raises)
    made: Any = type("Odd", BASES[base], {what: odd})
    if base == "group":
        return lambda: made("text", [KeyError("inside")])
    return lambda: made("text")
