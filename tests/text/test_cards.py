"""HTML of others' names, which is HTML of ours alone."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.text.cards import card, escaped, lines, never_raises, note, table

HOSTILE = "<script>alert(1)</script>'\"&\x1b[2J\u202e.mp4"


class Tags(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(max_size=30) | st.just(HOSTILE))
def test_whatever_others_chose_is_text(text: str) -> None:
    page = card(text, {text: text}, table([text], [[text]]), note(text), lines(text))
    found = Tags(page)
    known = {"div", "table", "tr", "th", "td", "pre"}
    assert set(found.tags) <= known
    assert found.attributes <= {"style"}
    assert "\x1b" not in page


def test_facts_that_are_not_known_are_left_out() -> None:
    found = Tags(card("film", {"frames": 0, "rate": None, "path": ""}))
    assert found.text == "filmframes0"


def test_long_texts_are_cut() -> None:
    assert len(escaped("x" * 10_000)) < 1000


def test_what_cannot_be_shown_says_why() -> None:
    class Broken:
        @never_raises
        def _repr_html_(self) -> str:
            raise OSError("<gone>")

        def __repr__(self) -> str:
            raise RuntimeError

    text = Tags(Broken()._repr_html_()).text
    assert text == "Brokencannot be shownOSError: <gone>"
