from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.storage.segments.none_rows import none_rows, none_text


@given(st.lists(st.booleans(), max_size=70))
def test_rows_come_back(mask: list[bool]) -> None:
    rows = [row for row, is_none in enumerate(mask) if is_none]
    assert none_rows(none_text(rows, len(mask)), len(mask)).tolist() == mask


@pytest.mark.parametrize("text", ["", "?", "eA==", none_text([1], 9), "x" * 99])
def test_other_texts_are_errors(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        none_rows(text, 3)
