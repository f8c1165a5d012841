"""Tracebacks of our errors in notebooks: the user's own lines, then ours.

IPython asks an exception that has ``_render_traceback_`` for what it is to show.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MACHINERY = tuple(
    f"{os.sep}{name}{os.sep}" for name in ("IPython", "ipykernel", "apache_beam")
)


def cell_traceback(error: BaseException) -> list[str]:
    """The lines of a traceback, without frames of this package, Beam and IPython.

    Args:
        error: What was raised.

    Returns:
        Lines of text; the last is that of the error.

    Examples:
        >>> print(*cell_traceback(ValueError('no such op')), sep=chr(10))
        ValueError: no such op
    """
    summary = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in summary if not _is_machinery(frame.filename)]
    # An error of a module that is run by itself has frames of ours alone.
    found = traceback.format_list(own)
    head = ["Traceback (most recent call last):"] if found else []
    last = "".join(traceback.format_exception_only(type(error), error))
    return [*head, *_stripped(found), *_stripped([_short(last)])]


def _is_machinery(file: str) -> bool:
    return file.startswith(_PACKAGE) or any(part in file for part in _MACHINERY)


def _short(text: str) -> str:
    """The error's own name, without its module."""
    module, dot, rest = text.partition(".errors.")
    return rest if dot and module == "beam_scanner" else text


def _stripped(texts: Iterable[str]) -> list[str]:
    return [text.rstrip("\n") for text in texts]
