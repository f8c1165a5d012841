"""Errors know the element of a batch that they come from."""

from __future__ import annotations

import pytest

from beam_scanner.kernels.at_element import at_element, element_of


def test_the_innermost_counts() -> None:
    with pytest.raises(ValueError, match="it") as caught, at_element(1), at_element(4):
        raise ValueError("it")
    assert element_of(caught.value) == 4
    assert element_of(ValueError("another")) == 0
