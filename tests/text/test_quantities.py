"""Numbers of bytes, as people read them."""

from __future__ import annotations

import pytest

from beam_scanner.text.quantities import byte_text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1000, "1.0 kB"), (2_500_000_000, "2.5 GB"), (10**16, "10000.0 TB")],
)
def test_bytes_have_the_unit_that_fits(count: int, text: str) -> None:
    assert byte_text(count) == text
