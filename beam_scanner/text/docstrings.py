"""Google-style docstrings, taken apart and put together again.

The documentation of an op is written once, at its kernel: ``help()`` of ``sc.ops``, of
the transforms and of YAML, and docs/ops.md, are made of it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import indent

_SECTION = re.compile(r"^(Args|Returns|Raises|Examples?|Attributes):\n", re.M)
_ENTRY = re.compile(r"^ {4}(\*{0,2}\w+): (.*(?:\n(?: {8,}.*|$))*)", re.M)


@dataclass(frozen=True)
class Doc:
    """The parts of a docstring.

    Attributes:
        text: Everything before the first section.
        args: The description of each argument.
        raises: The description of each error.
    """

    text: str
    args: Mapping[str, str] = field(default_factory=dict)
    raises: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [self.text]
        for title, entries in (("Args", self.args), ("Raises", self.raises)):
            if entries:
                listed = "\n".join(f"{name}: {text}" for name, text in entries.items())
                parts.append(f"{title}:\n{indent(listed, '    ')}")
        return "\n\n".join(parts)


def read_doc(docstring: str | None) -> Doc:
    """Takes a docstring apart, without examples and return values.

    Args:
        docstring: In Google style.

    Examples:
        >>> doc = read_doc(read_doc.__doc__)
        >>> doc.text[:26], doc.args
        ('Takes a docstring apart, w', {'docstring': 'In Google style.'})
    """
    text, *parts = _SECTION.split(inspect.cleandoc(docstring or ""))
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    return Doc(
        text.strip(),
        _entries(sections.get("Args", "")),
        _entries(sections.get("Raises", "")),
    )


def _entries(section: str) -> dict[str, str]:
    return {
        name: re.sub(r"^ {4}", "", text.strip(), flags=re.M)
        for name, text in _ENTRY.findall(section)
    }
