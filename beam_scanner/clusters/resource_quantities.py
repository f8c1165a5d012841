"""Quantities as Kubernetes writes them: ``250m`` cores, ``3Gi`` of memory."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from beam_scanner.errors import ArgumentError

_UNITS: dict[str, Fraction | int] = {
    **{"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)},
    **{"": Fraction(1), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15},
    **{"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50},
}


def number(quantity: str) -> Fraction:
    """The number that a quantity is.

    Raises:
        ArgumentError: It is none.

    Examples:
        >>> number('1500m'), number('2Ki'), number('1e3')
        (Fraction(3, 2), Fraction(2048, 1), Fraction(1000, 1))
    """
    found = re.fullmatch(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)", quantity)
    if found is None or found[2] not in _UNITS:
        raise ArgumentError(f"{quantity!r} is no quantity, as '500m' or '2Gi'")
    return Fraction(found[1]) * _UNITS[found[2]]


def millicores(quantity: str) -> int:
    """Thousandths of a core, rounded up.

    Examples:
        >>> millicores('2'), millicores('123456789n')
        (2000, 124)
    """
    return math.ceil(number(quantity) * 1000)


def megabytes(quantity: str) -> int:
    """MiB, rounded down.

    Examples:
        >>> megabytes('3Gi'), megabytes('128974848')
        (3072, 123)
    """
    return int(number(quantity) / 2**20)
