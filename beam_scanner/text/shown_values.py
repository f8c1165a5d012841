"""Arguments as monitoring shows them: short, and without passwords."""

from __future__ import annotations

import re
from typing import Any

from beam_scanner.text.error_text import one_line

MOST = 500
"""Characters of one value."""

_USER = re.compile(r"(?<=://)[^/@\s'\"]+(?=@)")
_SECRET = re.compile(
    r"(?i)(?<=[?&;\s])((?:[\w-]*(?:password|passwd|pwd|token|secret|signature|key))|sig)"
    r"=[^&;\s'\"]+"
)


def shown_value(value: Any) -> str:
    """A value as text; its ``repr`` may raise.

    Examples:
        >>> shown_value('s3://me:pass@host/db?token=1f&part=2')
        's3://...@host/db?token=...&part=2'
        >>> shown_value({'width': 320, 'name': 'a'})
        "width=320, name='a'"
        >>> shown_value(int), shown_value((0, 3))
        ('int', '(0, 3)')
    """
    if isinstance(value, dict):
        text = ", ".join(f"{name}={_repr(item)}" for name, item in value.items())
    elif isinstance(value, type):
        text = value.__name__
    else:
        text = value if isinstance(value, str) else _repr(value, str)
    text = _SECRET.sub(r"\1=...", _USER.sub("...", one_line(text)))
    return text if len(text) <= MOST else f"{text[: MOST - 3]}..."


def _repr(value: Any, made: Any = repr) -> str:
    try:
        return str(made(value))
    except Exception:
        return f"a {type(value).__name__}"
