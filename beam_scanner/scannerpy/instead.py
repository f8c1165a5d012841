"""Names of scannerpy that mean nothing on Beam, and say what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from beam_scanner.errors import ArgumentError


def refused(name: str, instead: str) -> Callable[..., NoReturn]:
    """A function that only says what to do instead.

    Args:
        name: What the program has called.
        instead: What it should do.

    Examples:
        >>> refused('fly()', 'people walk')(7)
        Traceback (most recent call last):
        beam_scanner.errors.ArgumentError: fly(): people walk
    """

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise ArgumentError(f"{name}: {instead}")

    return refuse
