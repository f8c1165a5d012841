"""What stands between the calls of ``--ops`` in place of '|'.

Called only after the parser has rejected ``--ops``, so that the error is about ``--ops``
syntax and not about Python's.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<string>'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
    |(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<name>[^\W\d]\w*)|(?P<other>\w+|\S)""",
    re.VERBOSE | re.DOTALL,
)

_WORDS = ("and", "or", "then", "to", "into")
"""Words that people join ops with, which are no ops."""


def wrong_joint(text: str) -> tuple[int, str] | None:
    """Where two calls are not joined by '|', or '|' joins nothing.

    Args:
        text: Of ``--ops``.

    Returns:
        The place, counted from 0, and what is wrong there; None if nothing is.

    Examples:
        >>> wrong_joint('Stride(8) Histogram()')
        (10, 'join ops with |, as in Stride(...) | Histogram(...)')
        >>> wrong_joint('Stride(8) | Histogram()')
    """
    outside = 1 if text.lstrip().startswith("(") else 0
    depth, name, joint, end, called = 0, "", "", 0, False
    place = -1
    for token in _TOKEN.finditer(text):
        kind, found = token.lastgroup, token.group()
        if kind == "open":
            called = called or (depth == outside and bool(name))
            depth += 1
        elif kind == "close":
            depth -= 1
        elif depth != outside:
            continue
        elif kind == "string":
            return None
        elif kind == "name" and found not in _WORDS:
            if (wrong := _between(name, joint, found, called)) is not None:
                return (place if joint else token.start()), wrong
            name, joint, called = found, "", False
        elif kind in ("name", "other"):
            if not joint:
                place = token.start()
            # Spaces are kept: '||' is one sign, '| |' are two.
            joint += " " * (bool(joint) and token.start() > end) + found
        end = token.end()
    if joint == "|":
        return place, "there is no op after |"
    if joint and called and not joint[0].isalnum():
        return place, f"{joint!r} cannot end a chain"
    return None


def _between(name: str, joint: str, following: str, called: bool) -> str | None:
    """What is wrong between two names; None if nothing is."""
    if not name:
        return "there is no op before |" if joint == "|" else None
    if joint == "|":
        return None
    if re.fullmatch(r"\|( \|)+", joint):
        return "there is no op between | and |"
    if joint and not called:
        return None
    instead = f", not {joint!r}" if joint else ""
    return f"join ops with |{instead}, as in {name}(...) | {following}(...)"
