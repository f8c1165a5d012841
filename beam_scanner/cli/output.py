"""What the command prints: nothing that a terminal would obey."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from beam_scanner.text.printable import PrintableFormatter, printable, printable_warning


def put(text: str, error: bool = False) -> None:
    """Prints lines of our own; names in them are to be made printable before.

    Args:
        text: What to print. Line breaks and tabs are kept.
        error: Print it where errors go, at once.
    """
    file = sys.stderr if error else sys.stdout
    encoding = getattr(file, "encoding", None) or "utf-8"
    shown = printable(text, keep="\n\t").encode(encoding, "backslashreplace")
    print(shown.decode(encoding), file=file, flush=error)


@contextmanager
def printable_warnings() -> Iterator[None]:
    """Makes warnings and log lines fit to print, unless the caller has own handlers."""
    root, handler = logging.getLogger(), logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(message)s"))
    handler.setLevel(logging.WARNING)
    is_ours = not root.handlers
    before, warnings.formatwarning = warnings.formatwarning, printable_warning
    if is_ours:
        root.addHandler(handler)
    try:
        yield
    finally:
        warnings.formatwarning = before
        root.removeHandler(handler)


def print_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """A ``sys.excepthook``."""
    put("".join(traceback.format_exception(kind, error, trace)).rstrip(), error=True)
