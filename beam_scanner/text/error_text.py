"""Text of errors: whatever users' code raises, it can be stored, sent and printed.

All text from here is valid Unicode of bounded length, and to make it never raises.
"""

from __future__ import annotations

import os
import reprlib
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

from beam_scanner.text.exception_parts import (
    args_of,
    cause_of,
    context_of,
    members_of,
    notes_of,
    traceback_in,
)
from beam_scanner.text.printable import printable

MOST_NAME = 200
MOST_MESSAGE = 2_000
MOST_TRACEBACK = 50_000
"""Characters that are kept of the name of a class, a message and a traceback."""

PATIENCE = 10.0
"""Seconds that an exception's own ``__str__`` may take."""

_MOST_LINKS = 8
_MOST_IN_GROUP = 5
_MOST_NESTED = 3
_MOST_NOTES = 10
_MOST_FRAMES = 200

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_OPS = os.path.join(_PACKAGE, "ops", "")


def plain(text: str) -> str:
    r"""A string that can be encoded: lone surrogates are escaped.

    Examples:
        >>> print(plain('film\udcff.mp4'))
        film\udcff.mp4
    """
    return text.encode("utf-8", "backslashreplace").decode()


def clipped(text: str, most: int) -> str:
    """A text that can be encoded, without its middle if it is longer than ``most``.

    Examples:
        >>> clipped('a' * 6 + 'b' * 1_000_000 + 'c' * 3, 9)
        'aaaaaa ... 1000000 characters left out ... ccc'
    """
    # Not str(text): a subclass may do anything there.
    found = str.__getitem__(text, slice(0, most + 1))
    if str.__len__(text) > most:
        gap = f" ... {str.__len__(text) - most} characters left out ... "
        head = most * 2 // 3
        tail = str.__getitem__(text, slice(str.__len__(text) - (most - head), None))
        found = str.__getitem__(text, slice(0, head)) + gap + tail
    return plain(found)


def one_line(text: str) -> str:
    r"""A text for one line of a terminal or a log.

    Examples:
        >>> print(one_line('no\n  such\tfile\x07'))
        no such file\x07
    """
    return printable(" ".join(text.split()))


def class_name(error: BaseException) -> str:
    """The name of an exception's class, on one line.

    Examples:
        >>> class_name(KeyError(3))
        'KeyError'
    """
    # A metaclass may have a __name__ of its own.
    name: str = type.__dict__["__name__"].__get__(type(error))
    return one_line(clipped(name, MOST_NAME))


class _Bounded(reprlib.Repr):
    """``repr`` that does not copy huge values."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 6
        self.maxtuple = self.maxlist = self.maxdict = self.maxset = 100
        self.maxarray = self.maxdeque = self.maxfrozenset = 100
        self.maxstring = self.maxother = self.maxlong = MOST_MESSAGE

    def repr_bytes(self, value: bytes, level: int) -> str:
        return self.repr_str(value, level)  # type: ignore[arg-type]

    repr_bytearray = repr_bytes


_repr = _Bounded()


def message_of(error: BaseException) -> str:
    """The text of an exception, whatever its ``__str__`` does.

    Args:
        error: Any exception.

    Returns:
        At most about ``MOST_MESSAGE`` characters, without control characters but
        lines and tabs as they are.

    Examples:
        >>> message_of(ValueError('no such row'))
        'no such row'
        >>> class Odd(Exception):
        ...     def __str__(self):
        ...         return 7
        >>> message_of(Odd())
        '<its __str__ raised TypeError>'
    """
    return clipped(_text_of(error), MOST_MESSAGE)


def _text_of(error: BaseException) -> str:
    mro = type.__dict__["__mro__"].__get__(type(error))
    own = next(c.__dict__["__str__"] for c in mro if "__str__" in vars(c))
    args = args_of(error)
    if own is _plain_str and len(args) == 1 and type(args[0]) is str:
        text: str = args[0]
        return text
    if own is _plain_str and all(type(arg) in _BUILTIN for arg in args):
        shown = args[0] if len(args) == 1 else args
        return _asked(lambda: _repr.repr(shown), "text") if args else ""
    if own is _key_str and len(args) == 1 and type(args[0]) in _BUILTIN:
        return _asked(lambda: _repr.repr(args[0]), "text")
    return _asked(lambda: str(error), "__str__")


_plain_str = BaseException.__dict__["__str__"]
_key_str = KeyError.__dict__["__str__"]
_BUILTIN = (str, bytes, bytearray, int, float, bool, complex, type(None))
_BUILTIN += (list, tuple, dict, set, frozenset)  # type: ignore[assignment]
"""Types that need not be shown whole."""


def _asked(ask: Callable[[], Any], what: str) -> str:
    """What code of the user's gives; in a thread, since it may never return."""
    found: list[str] = []

    def run() -> None:
        try:
            text = ask()
            found.append(text if isinstance(text, str) else f"<no text from {what}>")
        except BaseException as error:
            found.append(f"<its {what} raised {class_name(error)}>")

    thread = threading.Thread(target=run, name="tell error", daemon=True)
    try:
        thread.start()
        thread.join(PATIENCE)
    except RuntimeError:
        # There is no room for another thread.
        run()
    return found[0] if found else f"<its {what} did not return in {PATIENCE:.0f} s>"


def traceback_of(error: BaseException) -> str:
    """The traceback of an exception as text, with what caused it.

    It begins with the code of users: calls of this package that lead there are left
    out.

    Args:
        error: Any exception; chains may be long or lead back to where they began.

    Returns:
        At most about ``MOST_TRACEBACK`` characters.
    """
    try:
        text = "".join(reversed(list(_chain(error))))
    except Exception as broken:
        # A class may have an __cause__ or exceptions of its own.
        text = f"<no traceback: {class_name(broken)}>\n{class_name(error)}\n"
    return clipped(text, MOST_TRACEBACK)


_CAUSE = "\nThe above exception was the direct cause of the following one:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another one occurred:\n\n"
_LEFT_OUT = "... exceptions before this one are left out\n\n"


def _chain(error: BaseException) -> Iterator[str]:
    """The text of an exception, then of what led to it, and so on."""
    seen: set[int] = set()
    link: BaseException | None = error
    lead = ""
    while link is not None and id(link) not in seen:
        if len(seen) == _MOST_LINKS:
            yield _LEFT_OUT
            return
        seen.add(id(link))
        yield f"{_one_traceback(link)}{lead}"
        cause = cause_of(link)
        lead = _CONTEXT if cause is None else _CAUSE
        link = context_of(link) if cause is None else cause


def _one_traceback(error: BaseException, nested: int = 0) -> str:
    lines = []
    frames = _frames(traceback_in(error))
    if frames:
        lines.append("Traceback (most recent call last):\n")
        lines += frames
    text = message_of(error)
    lines.append(f"{class_name(error)}{': ' if text else ''}{text}\n")
    lines += [f"{note}\n" for note in _notes(error)]
    lines += _members(members_of(error), nested)
    return "".join(lines)


def _frames(trace: TracebackType | None) -> list[str]:
    try:
        walked = list(traceback.walk_tb(trace))
        users = next(
            (n for n, (frame, _) in enumerate(walked) if not _is_ours(frame)), 0
        )
        walked = walked[users:]
        left_out = len(walked) - _MOST_FRAMES
        if left_out > 0:
            half = _MOST_FRAMES // 2
            first, last = _formatted(walked[:half]), _formatted(walked[-half:])
            return [*first, f"  ... {left_out} calls left out ...\n", *last]
        return _formatted(walked)
    except Exception as broken:
        # A loader of the user's may raise where it is asked for source code.
        return [f"  <no frames: {class_name(broken)}>\n"]


def _is_ours(frame: Any) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_PACKAGE) and not file.startswith(_OPS)


def _formatted(walked: Iterable[tuple[Any, int]]) -> list[str]:
    return list(traceback.StackSummary.extract(iter(walked)).format())


def _notes(error: BaseException) -> list[str]:
    return [
        clipped(note, MOST_MESSAGE)
        if isinstance(note, str)
        else clipped(_asked(lambda note=note: repr(note), "note"), MOST_MESSAGE)  # type: ignore[misc]
        for note in notes_of(error)[:_MOST_NOTES]
    ]


def _members(members: Sequence[BaseException], nested: int) -> list[str]:
    if members and nested >= _MOST_NESTED:
        return [f"  ... {len(members)} exceptions inside\n"]
    lines = []
    for number, member in enumerate(members[:_MOST_IN_GROUP], 1):
        text = _one_traceback(member, nested + 1)
        lines.append(f"  ---- exception {number} of {len(members)} ----\n")
        lines += [f"  {line}\n" for line in text.splitlines()]
    return lines
