"""Digests of pickled objects: equal for equal values, in every process.

Functions, classes and data are read into one graph, which may have cycles, as memory
has; the digest of an object is that of all that can be seen from it. It does not
depend on which objects are shared: a list that holds one array twice equals a list of
two equal arrays.

Installed code counts by its name. All other values count by content, as they are at
that moment: module-level data that code uses, closures, defaults, attributes, base
classes, the modules that it imports, and the content of files that a string or a path
names. Of an object without stable content only the type counts, which is reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from beam_scanner.kernels.digests.digest_node import DigestNode, ModuleUse
from beam_scanner.kernels.digests.object_reader import ObjectReader


@dataclass(frozen=True)
class Digest:
    """What was read.

    Attributes:
        text: 32 hexadecimal digits.
        opaque: Objects of which only the type counts: where they are, and their type.
    """

    text: str
    opaque: tuple[str, ...]


def code_digest(*things: object, home: str | Collection[str]) -> str:
    """A digest of functions, classes and values of any kind, and of what they use.

    Args:
        *things: What to read.
        home: A module, or several, whose code counts in full even where it is
            installed: the kernel's own.

    Returns:
        32 hexadecimal digits.

    Examples:
        >>> two, three = (eval(f'lambda x: x + {n}') for n in (2, 3))
        >>> code_digest(two, home=__name__) == code_digest(three, home=__name__)
        False
    """
    return digest([("", thing) for thing in things], home).text


def digest(things: Sequence[tuple[str, Any]], home: str | Collection[str]) -> Digest:
    """As :func:`code_digest`, with the objects of which only the type counts.

    Args:
        things: Each with words for it, such as "argument 'model' of op Detect".
        home: See there.

    Examples:
        >>> digest([('argument', iter([]).__reduce__)], '').opaque
        ()
    """
    reader = _reader(home)
    unsteady: set[int] = set()
    while True:
        graph = _Graph(reader, unsteady, things)
        colours = _colours(graph.labels, graph.edges, graph.unordered)
        # Objects that pickle differently each time have no content either.
        found = {
            id(graph.values[node])
            for node, twins in graph.twins.items()
            if [colours[n] for n in graph.edges[node]] != [colours[n] for n in twins]
        }
        if found <= unsteady:
            opaque = [graph.where(number) for number in graph.opaque]
            texts = tuple(f"{where} ({kind})" for where, kind in opaque)
            return Digest(colours[_ROOT].hex(), texts)
        unsteady |= found


def where_first(
    things: Sequence[tuple[str, Any]],
    home: str | Collection[str],
    is_wanted: Callable[[Any], bool],
) -> tuple[str, str] | None:
    """Where the innermost object is of which something is true, and its type.

    Args:
        things: See :func:`digest`.
        home: See :func:`code_digest`.
        is_wanted: Whether an object is such a one; true also of all that contains it.

    Returns:
        None if there is no such object.

    Examples:
        >>> where_first([('the list', [1, ['a', 2.5]])], '', lambda v: '2.5' in repr(v))
        ('the list', 'float')
    """
    reader = _reader(home)
    graph = _Graph(reader, set(), things)
    seen = {_ROOT}

    def look(number: int) -> int | None:
        for other in graph.edges[number]:
            if other in seen:
                continue
            seen.add(other)
            value = graph.values[other]
            if isinstance(value, type) and reader.is_foreign(value.__module__):
                # An object of it is to blame, not the installed class.
                continue
            if isinstance(value, (DigestNode, ModuleUse)):
                found = look(other)
                if found is not None:
                    return found
            elif is_wanted(value):
                return look(other) or other
        return None

    found = look(_ROOT)
    return None if found is None else graph.where(found)


_ROOT = 0


def _reader(home: str | Collection[str]) -> ObjectReader:
    return ObjectReader({home} if isinstance(home, str) else set(home))


def type_name(kind: type) -> str:
    """The full name of a class, without the module of built-in ones."""
    in_module = kind.__module__ != "builtins"
    return f"{kind.__module__}.{kind.__qualname__}" if in_module else kind.__qualname__


class _Graph:
    """Objects by number, with what each consists of.

    Args:
        reader: Takes them apart.
        unsteady: By ``id``: objects of which only the type counts.
        things: Where to begin; they are parts of node ``_ROOT``.
    """

    def __init__(
        self,
        reader: ObjectReader,
        unsteady: set[int],
        things: Sequence[tuple[str, Any]],
    ) -> None:
        self._reader = reader
        self._unsteady = unsteady
        self._number: dict[Any, int] = {}
        self._came: list[tuple[int, str]] = []
        # Objects are known by their id, so they must stay alive.
        self.values: list[Any] = []
        self.labels: list[bytes] = []
        self.edges: list[list[int]] = []
        self.unordered: set[int] = set()
        self.twins: dict[int, list[int]] = {}
        self.opaque: list[int] = []
        self._add(DigestNode(b"", list(things)), _ROOT, "")
        self._fill()

    def _add(self, value: Any, parent: int, edge: str) -> int:
        """The number of an object, which is read later if it is new."""
        kind = type(value)
        key: Any = id(value)
        if kind in (float, complex):
            # 0.0 equals -0.0, but is another value.
            key = (kind, repr(value))
        elif kind in (int, str, bool):
            key = (kind, value)
        elif kind is ModuleUse:
            key = value.key
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self.values)
            self.values.append(value)
            self._came.append((parent, edge))
        return number

    def _fill(self) -> None:
        """Reads all objects that can be reached."""
        number = 0
        while number < len(self.values):
            value = self.values[number]
            part = self._reader.node(value)
            if id(value) in self._unsteady:
                part = DigestNode(b"unsteady", [("", type(value))], opaque=True)
            self.labels.append(part.label)
            self.edges.append([self._add(v, number, text) for text, v in part.edges])
            if part.unordered:
                self.unordered.add(number)
            if part.twin:
                self.twins[number] = [self._add(v, number, "") for _, v in part.twin]
            if part.opaque:
                self.opaque.append(number)
            number += 1

    def where(self, number: int) -> tuple[str, str]:
        """How an object is reached, and its type."""
        kind = type(self.values[number])
        words = []
        while number:
            number, text = self._came[number]
            if text:
                words.append(text)
        return " of ".join(words), type_name(kind)


def _hash(*parts: bytes) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(b"%d:" % len(part))
        found.update(part)
    return found.digest()


def _colours(
    labels: Sequence[bytes], edges: Sequence[Sequence[int]], unordered: set[int]
) -> list[bytes]:
    """For each node a digest of all that can be seen from it.

    Two nodes get the same where everything that can be reached on equal ways has equal
    labels: sharing and the order of reading do not count.
    """
    colours: list[bytes] = [b""] * len(labels)

    def colour(node: int) -> bytes:
        parts = [colours[n] for n in edges[node]]
        if node in unordered:
            parts.sort()
        return _hash(labels[node], *parts)

    for group in _components(edges):
        if len(group) == 1 and group[0] not in edges[group[0]]:
            colours[group[0]] = colour(group[0])
            continue
        # Refine until a round distinguishes no more nodes than the one before.
        for node in group:
            colours[node] = b""
        kinds = 1
        while True:
            refined = {node: colour(node) for node in group}
            now = len(set(refined.values()))
            if now == kinds:
                break
            kinds = now
            for node, found in refined.items():
                colours[node] = found
        # Each kind with what it consists of describes the whole group.
        pairs = sorted({colours[node] + refined[node] for node in group})
        for node, own in [(node, colours[node]) for node in group]:
            colours[node] = _hash(b"cycle", own, *pairs)
    return colours


def _components(edges: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of nodes that reach each other; a group comes after those it points to."""
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    waiting: list[int] = []
    is_waiting: set[int] = set()
    groups = []
    for root in range(len(edges)):
        if root in order:
            continue
        path = [(root, 0)]
        while path:
            node, place = path.pop()
            if place == 0:
                order[node] = lowest[node] = len(order)
                waiting.append(node)
                is_waiting.add(node)
            elif edges[node][place - 1] in is_waiting:
                lowest[node] = min(lowest[node], lowest[edges[node][place - 1]])
            for index in range(place, len(edges[node])):
                other = edges[node][index]
                if other not in order:
                    path.append((node, index + 1))
                    path.append((other, 0))
                    break
                if other in is_waiting:
                    lowest[node] = min(lowest[node], order[other])
            else:
                if lowest[node] == order[node]:
                    group = []
                    while True:
                        member = waiting.pop()
                        is_waiting.discard(member)
                        group.append(member)
                        if member == node:
                            break
                    groups.append(group)
    return groups
