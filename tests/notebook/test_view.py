"""Things that are looked at."""

from __future__ import annotations

from beam_scanner.notebook.view import View


def test_it_is_made_when_it_is_looked_at() -> None:
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return "<p>"

    view = View("8 frames", make)
    assert repr(view) == "<8 frames>"
    assert made == []
    assert view._repr_html_() == view.html() == "<p>"
    broken = View("8 frames", lambda: str(1 / 0))
    assert "ZeroDivisionError" in broken._repr_html_()
