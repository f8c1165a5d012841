"""Docstrings, taken apart and put together again."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.text.docstrings import Doc, read_doc

WORDS = st.text(string.ascii_letters + ",.", min_size=1, max_size=8)
LINES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
NAMES = st.from_regex(r"\*{0,2}[a-z_]{1,6}", fullmatch=True)
ENTRIES = st.dictionaries(NAMES, LINES, max_size=3)


@given(text=LINES, args=ENTRIES, raises=ENTRIES)
def test_what_is_put_together_is_read_again(
    text: str, args: dict[str, str], raises: dict[str, str]
) -> None:
    doc = Doc(text, args, raises)
    assert read_doc(str(doc)) == doc


def test_sections_are_told_apart() -> None:
    doc = read_doc(
        """Blurs frames.

        Edges are repeated.

        Args:
            kernel_size: In pixels; an odd number,
                1 or more.
            *frames: To blur.

        Returns:
            kernel: Nobody asks for it.

        Raises:
            ArgumentError: The size is even.

        Example:
            >>> 1: 2
        """
    )
    assert doc.text == "Blurs frames.\n\nEdges are repeated."
    assert list(doc.args) == ["kernel_size", "*frames"]
    assert doc.args["kernel_size"] == "In pixels; an odd number,\n    1 or more."
    assert doc.raises == {"ArgumentError": "The size is even."}


@pytest.mark.parametrize("docstring", [None, "", "   \n  "])
def test_nothing_says_nothing(docstring: str | None) -> None:
    assert read_doc(docstring) == Doc("")
    assert str(read_doc(docstring)) == ""
