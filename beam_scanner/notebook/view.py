"""Things that are looked at: in a notebook as HTML, elsewhere as a line of text."""

from __future__ import annotations

from collections.abc import Callable

from beam_scanner.text.cards import never_raises


class View:
    """What ``show()`` gives; a notebook shows it where it is the last line of a cell.

    Args:
        text: What it is, for terminals.
        make: Gives the HTML, when it is asked for.

    Examples:
        >>> View('8 frames', lambda: '<p>').html()
        '<p>'
    """

    def __init__(self, text: str, make: Callable[[], str]) -> None:
        self._text, self._make = text, make

    def __repr__(self) -> str:
        return f"<{self._text}>"

    def html(self) -> str:
        """The HTML, whole in itself: it may be saved as a file."""
        return self._make()

    @never_raises
    def _repr_html_(self) -> str:
        return self._make()
