"""What notebooks show of an object: a title, facts, tables and pictures, as HTML.

The HTML stands alone: nothing is fetched, no script runs. Colors come from the page, so
that it can be read on light and dark ones. Names of files and streams are others' texts:
whatever is not made here is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

from beam_scanner.text.error_text import clipped
from beam_scanner.text.printable import printable

_Self = TypeVar("_Self")

_LONGEST = 300
_BORDER = "1px solid rgba(128,128,128,.35)"
_CARD = (
    f"border:{_BORDER};border-radius:6px;padding:8px 12px;margin:4px 0;"
    "display:inline-block;max-width:100%;box-sizing:border-box;"
    "font:13px/1.5 system-ui,sans-serif;color:inherit"
)
_CELL = (
    "padding:1px 12px 1px 0;text-align:left;vertical-align:top;border:0;color:inherit"
)
_HEAD = f"{_CELL};opacity:.65;font-weight:normal;white-space:nowrap"


def escaped(value: object) -> str:
    """Any value as a short text in HTML.

    Examples:
        >>> escaped('<b>.mp4')
        '&lt;b&gt;.mp4'
    """
    return html.escape(printable(clipped(str(value), _LONGEST)))


def card(title: str, facts: Mapping[str, object], *parts: str) -> str:
    """A box with a title, facts, and whatever else is to be seen.

    Args:
        title: Text; it is escaped.
        facts: By name; those that are None or '' are left out.
        *parts: HTML.
    """
    rows = [
        f"<tr style='background:none'><th style='{_HEAD}'>{escaped(name)}</th>"
        f"<td style='{_CELL}'>{escaped(value)}</td></tr>"
        for name, value in facts.items()
        if value not in (None, "")
    ]
    table = (
        f"<table style='border:0;margin:0;font:inherit;color:inherit'>{''.join(rows)}</table>"
        if rows
        else ""
    )
    return (
        f"<div style='{_CARD}'><div style='font-weight:600'>{escaped(title)}</div>"
        f"{table}{''.join(parts)}</div>"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts and numbers, which are escaped.

    Examples:
        >>> 'a&amp;b' in table(['name', 'rows'], [['a&b', 3]])
        True
    """
    head = "".join(f"<th style='{_HEAD}'>{escaped(name)}</th>" for name in heads)
    body = "".join(
        "<tr style='background:none'>"
        + "".join(f"<td style='{_CELL}'>{escaped(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return (
        f"<table style='border:0;margin:4px 0;font:inherit;color:inherit'><tr style='background:none'>{head}</tr>"
        f"{body}</table>"
    )


def note(text: str) -> str:
    """A line of small text."""
    return f"<div style='opacity:.65;font-size:12px'>{escaped(text)}</div>"


def lines(text: str) -> str:
    """Text as it is, line by line."""
    shown = html.escape(printable(clipped(text, 20_000), keep="\n\t"))
    return (
        f"<pre style='margin:4px 0;padding:0;background:none;color:inherit;"
        f"white-space:pre-wrap;font-size:12px'>{shown}</pre>"
    )


def value_text(value: Any) -> str:
    """A value in one line, as short as people read it.

    Examples:
        >>> value_text(4.62259837962963), value_text([1, None])
        ('4.6226', '[1, None]')
    """
    if isinstance(value, float):
        return repr(float(f"{value:.6g}"))
    if getattr(value, "size", 0) > 8 and hasattr(value, "dtype"):
        return f"array of {value.dtype}, shape {value.shape}"
    # Messages are shown line by line.
    return " ".join(repr(value).split())


def never_raises(make: Callable[[_Self], str]) -> Callable[[_Self], str]:
    """A ``_repr_html_`` that says what is wrong, instead of raising it.

    Looking at an object is no use of it: a video that has been deleted since, or a
    database that cannot be reached, must not look like a mistake in the cell.
    """

    @wraps(make)
    def shown(self: _Self) -> str:
        try:
            return make(self)
        except Exception as error:
            facts = {"cannot be shown": f"{type(error).__name__}: {error}"}
            return card(_title(self), facts)

    return shown


def _title(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return type(value).__name__
