"""Which parameters of a test run by default, and which at night alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def most_slow(values: Iterable[Any], fast: int = 1) -> list[Any]:
    """Parameters of which all but the first ``fast`` are slow."""
    return [
        value if number < fast else pytest.param(value, marks=pytest.mark.slow)
        for number, value in enumerate(values)
    ]
