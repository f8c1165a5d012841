"""A terminal is given text alone."""

from __future__ import annotations

import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.text.printable import (
    PrintableFormatter,
    printable,
    printable_warning,
)

TEXTS = st.text(st.characters(categories=["Cc", "Cf", "Cs", "L", "N", "P", "Z"]))


@given(TEXTS)
def test_any_text_becomes_one_that_no_terminal_obeys(text: str) -> None:
    shown = printable(text)
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in ("RLO", "LRO", "RLE", "LRE")
    assert printable(shown) == shown
    shown.encode()


@given(TEXTS)
def test_line_breaks_of_our_own_stay(text: str) -> None:
    assert printable(text, keep="\n").count("\n") == text.count("\n")


@pytest.mark.parametrize("text", ["é 한국", "👩\u200d💻", "a\u00a0b", "क्\u200dष", ""])
def test_text_of_all_languages_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2J", "a\\x1b[2J"),
        ("\u202eb", "\\u202eb"),
        ("a\r\nb", "a\\r\\nb"),
        ("\udc80", "\\udc80"),
        ("\x9b", "\\x9b"),
        ("\u2028", "\\u2028"),
    ],
)
def test_what_is_no_text_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_log_record_looks_like_one() -> None:
    record = logging.LogRecord("k", 30, "", 0, "a\nERROR: \x1b[31m", (), None)
    assert PrintableFormatter("%(message)s").format(record) == "a\n  ERROR: \\x1b[31m"


def test_warnings() -> None:
    text = printable_warning("\x1b[31m", UserWarning, "file.py", 3)
    assert "\x1b" not in text
    assert text.endswith("\n")
