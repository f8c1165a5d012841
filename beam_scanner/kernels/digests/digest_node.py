"""One object as a node of the graph that is digested."""

from __future__ import annotations

import hashlib
import types
from dataclasses import dataclass, field
from typing import Any

Edges = list[tuple[str, Any]]


@dataclass(eq=False, slots=True)
class DigestNode:
    """One object: what it says by itself, and the objects that it consists of.

    Attributes:
        label: All of it that is not an object of its own.
        edges: The objects it consists of, each with a few words for messages, or ''.
        unordered: Whether the order of the edges means nothing.
        twin: The edges read a second time, where two readings may differ.
        opaque: Whether only its type counts, since its content cannot be read.
    """

    label: bytes
    edges: Edges = field(default_factory=list)
    unordered: bool = False
    twin: Edges = field(default_factory=list)
    opaque: bool = False


@dataclass(frozen=True)
class ModuleUse:
    """A module of which some names are used; of None, all."""

    module: types.ModuleType
    names: frozenset[str] | None

    @property
    def key(self) -> Any:
        """Equal for the same use."""
        return (id(self.module), self.names)


def make_label(*values: object) -> bytes:
    """Bytes that differ for any two sequences of values."""
    found = []
    for value in values:
        data: Any = value
        if not isinstance(data, bytes):
            data = str(value).encode(errors="surrogatepass")
        found.append(b"%d:%b" % (len(data), data))
    return b"".join(found)


def content_hash(data: Any) -> bytes:
    """A digest of anything that has a buffer."""
    return hashlib.blake2b(data, digest_size=16).digest()
