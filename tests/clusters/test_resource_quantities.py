"""Quantities as Kubernetes writes them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from beam_scanner.clusters.resource_quantities import megabytes, millicores, number
from beam_scanner.errors import ArgumentError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1.5", Fraction(3, 2)),
        ("250m", Fraction(1, 4)),
        ("5u", Fraction(5, 10**6)),
        ("12n", Fraction(12, 10**9)),
        ("2k", 2000),
        ("3Mi", 3 * 2**20),
        ("1.5Gi", 3 * 2**29),
        ("12e3", 12000),
    ],
)
def test_numbers(text: str, value: Fraction) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "-1", "1gi", "1Kib"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ArgumentError, match="no quantity"):
        number(text)


def test_rounding() -> None:
    assert (millicores("1n"), millicores("3")) == (1, 3000)
    assert (megabytes("1048575"), megabytes("8148076Ki")) == (0, 7957)
