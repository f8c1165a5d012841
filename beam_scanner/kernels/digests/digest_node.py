"""What is said of one object when it is taken apart."""

from __future__ import annotations

import hashlib
import types
from dataclasses import dataclass, field
from typing import Any

Edges = list[tuple[str, Any]]


@dataclass(eq=False, slots=True)
class Part:
    """One object, taken apart.

    Attributes:
        label: All that it says by itself.
        edges: What it consists of, each with a few words for messages, or ''.
        unordered: Whether the order of its parts means nothing.
        twin: The parts once more, where taking it apart twice may give two answers.
        untold: Whether its type is all that can be told.
    """

    label: bytes
    edges: Edges = field(default_factory=list)
    unordered: bool = False
    twin: Edges = field(default_factory=list)
    untold: bool = False


@dataclass(frozen=True)
class ModuleUse:
    """A module of which some names are used; of None, all."""

    module: types.ModuleType
    names: frozenset[str] | None

    @property
    def key(self) -> Any:
        """Equal for the same use."""
        return (id(self.module), self.names)


def label(*parts: object) -> bytes:
    """Bytes that tell any two sequences of parts apart."""
    found = []
    for part in parts:
        data = part
        if not isinstance(data, bytes):
            data = str(part).encode(errors="surrogatepass")
        found.append(b"%d:%b" % (len(data), data))
    return b"".join(found)


def content(data: Any) -> bytes:
    """A digest of anything that has a buffer."""
    return hashlib.blake2b(data, digest_size=16).digest()
