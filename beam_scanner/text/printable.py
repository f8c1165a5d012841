"""Texts that others chose, such as names of files and streams, made fit to print."""

from __future__ import annotations

import logging
import unicodedata
import warnings
from typing import Any

_format_warning = warnings.formatwarning

_JOINERS = "\u200c\u200d"
"""Format characters that Persian, Hindi and emoji are written with."""


def printable(text: str, keep: str = "") -> str:
    r"""A text with everything escaped that a terminal may take for a command.

    Control characters, line breaks, marks that turn the direction of writing, other
    invisible characters and lone surrogates (from file names that are not UTF-8)
    become what ``repr`` makes of them; letters, emoji and spaces stay. Done again, it
    changes nothing.

    Args:
        text: Any text.
        keep: Characters to leave as they are, such as line breaks of our own.

    Examples:
        >>> print(printable('a\x1b[2J\n\u202eb'), printable('é 한국'))
        a\x1b[2J\n\u202eb é 한국
        >>> printable('two\nlines', keep='\n')
        'two\nlines'
    """
    if text.isprintable():
        return text
    return "".join(
        c if _is_shown(c) or c in keep else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def _is_shown(character: str) -> bool:
    return (
        character.isprintable()
        or character in _JOINERS
        or unicodedata.category(character) == "Zs"
    )


class PrintableFormatter(logging.Formatter):
    """Formats log records, tracebacks included, for terminals.

    All lines of a record but the first are indented: none looks like another record.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        return printable(super().format(record), keep="\n\t").replace("\n", "\n  ")


def log_handler(form: str = "%(levelname)s:%(name)s:%(message)s") -> logging.Handler:
    """A handler that prints log records on standard error, fit for terminals."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter(form))
    return handler


def printable_warning(*args: Any, **options: Any) -> str:
    """A ``warnings.formatwarning`` for terminals."""
    return printable(_format_warning(*args, **options), keep="\n\t")
