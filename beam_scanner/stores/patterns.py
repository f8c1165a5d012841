"""Patterns for paths, keys of objects and names of streams: one set of rules for all.

A pattern is matched part by part, between slashes. ``*`` stands for any letters of a
part and ``?`` for one, ``[a-z]`` and ``[!a-z]`` for one that is, or is not, in a set;
``**`` as a whole part stands for any number of folders, none included. What begins
with a dot is matched only by a part that begins with one. ``[*]``, ``[?]`` and ``[[]``
stand for the letters themselves; braces and backslashes always do. Letters are compared
as they are: case counts, and so does the form of Unicode.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable

from beam_scanner.errors import ArgumentError

# As fnmatch reads it: without its end a class is just text.
_CLASS = re.compile(r"\[!?+\]?+[^\]]*+\]")
_MAGIC = re.compile(rf"[*?]|{_CLASS.pattern}")
_ESCAPED = re.compile(r"\[([*?\[])\]")

States = frozenset[int]
"""Parts of a pattern that the next part of a path may be matched by."""


class Pattern:
    """A pattern, taken apart.

    Args:
        text: The pattern, with '/' between its parts; a URL, too.

    Attributes:
        text: The pattern as it was given.
        root: The folder before the first wildcard, with its slash; '' for none.
        rest: What of the text follows it.
        is_literal: Whether there is no wildcard: one path alone is meant.
        paths: What the text may mean as a path, first of all itself.

    Raises:
        ArgumentError: It cannot match anything, or ``**`` is not a part of its own.

    Examples:
        >>> films = Pattern('films/**/*.mp4')
        >>> films.root, [films.matches(path) for path in ('x.mp4', 'a/b/y.mp4', 'a/z')]
        ('films/', [True, True, False])
    """

    def __init__(self, text: str) -> None:
        if "\0" in text:
            raise ArgumentError(f"impossible path or pattern {text!r}")
        self.text = text
        parts = text.split("/")
        plain = [_literal(part) for part in parts]
        self.is_literal = None not in plain
        first = len(parts) - 1 if self.is_literal else plain.index(None)
        self.root = "".join(f"{part}/" for part in plain[:first])
        # The root alone may be quoted, where what follows is a name.
        self.rest = "/".join(parts[first:])
        ends = [self.rest, *([plain[-1] or ""] if self.is_literal else [])]
        self.paths = list(dict.fromkeys([text, *(self.root + end for end in ends)]))
        below = self._checked(parts[first:])
        self._tests = [None if part == "**" else _test(part) for part in below]
        self._recursive = {n for n, test in enumerate(self._tests) if test is None}
        self.start = self._closed({0})

    @classmethod
    def below(cls, folder: str) -> Pattern:
        """The pattern of everything below a folder, which is taken as it is.

        Examples:
            >>> Pattern.below('films [1]').root
            'films [1]/'
        """
        made = cls("**")
        made.text = made.root = folder if folder.endswith("/") else f"{folder}/"
        return made

    def _checked(self, parts: list[str]) -> list[str]:
        if self.is_literal:
            return parts
        if not parts[-1]:
            raise ArgumentError(
                f"pattern {self.text!r} ends in '/': expected that of files, such as "
                f"{self.text + '*'!r}"
            )
        if ".." in parts:
            raise ArgumentError(f"pattern {self.text!r} has '..' after a wildcard")
        expanded = []
        for part in parts:
            if "**" in _CLASS.sub("", part) and part != "**":
                # '**.mp4' is what others write for '**/*.mp4'.
                rest = part[2:]
                if not part.startswith("**") or "**" in _CLASS.sub("", part[1:]):
                    raise ArgumentError(
                        f"pattern {self.text!r}: '**' stands for folders, as a part of "
                        "its own: expected '**/*.mp4' or 'a*/**'"
                    )
                expanded += ["**", f"*{rest}"]
            elif part not in ("", "."):
                expanded.append(part)
        return [*expanded, "*"] if expanded[-1:] == ["**"] else expanded

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the root with this path below it."""
        states = self.start
        for part in path.split("/"):
            states = self.step(states, part)
        return self.is_end(states)

    def step(self, states: States, part: str) -> States:
        """Where one part of a path leads; nowhere, if that is empty."""
        after: set[int] = set()
        for state in states:
            if state == len(self._tests):
                continue
            test = self._tests[state]
            if test is not None:
                after.update({state + 1} if test(part) else ())
            elif not part.startswith("."):
                after.add(state)
        return self._closed(after)

    def is_end(self, states: States) -> bool:
        """Whether the path so far is matched."""
        return len(self._tests) in states

    def unfinished(self, states: States) -> States:
        """What may match what lies below the path so far."""
        return states - {len(self._tests)}

    def is_recursive(self, states: States) -> bool:
        """Whether any number of folders may follow."""
        return not self._recursive.isdisjoint(states)

    def _closed(self, states: set[int]) -> States:
        """With those that ``**`` for no folder leads to."""
        for state in sorted(states):
            while state in self._recursive:
                state += 1
                states.add(state)
        return frozenset(states)


def has_wildcard(text: str) -> bool:
    """Whether a string is a pattern rather than a path.

    Examples:
        >>> has_wildcard('films/a?.mp4'), has_wildcard('a.mp4'), has_wildcard('a[[].mp4')
        (True, False, False)
    """
    return any(_literal(part) is None for part in text.split("/"))


def matching_names(text: str, names: Iterable[str]) -> list[str]:
    """The names that a pattern matches, sorted; one that is just the text is meant.

    Raises:
        ArgumentError: The pattern is impossible.

    Examples:
        >>> matching_names('a/**', ['b', 'a/y', 'a/x/z']), matching_names('[a]', ['[a]'])
        (['a/x/z', 'a/y'], ['[a]'])
    """
    listed = sorted(names)
    if text in listed:
        return [text]
    pattern = Pattern(text)
    for path in pattern.paths:
        if path in listed:
            return [path]
    below = len(pattern.root)
    return [
        name
        for name in listed
        if name.startswith(pattern.root) and pattern.matches(name[below:])
    ]


def _literal(part: str) -> str | None:
    """The text that a part stands for; None with wildcards."""
    if _MAGIC.search(part) is None:
        return part
    if _MAGIC.search(_ESCAPED.sub("", part)) is None:
        return _ESCAPED.sub(r"\1", part)
    return None


def _test(part: str) -> Callable[[str], object]:
    literal = _literal(part)
    if literal is not None:
        return literal.__eq__
    found = re.compile(fnmatch.translate(part)).match
    if part.startswith("."):
        return found
    return lambda text: not text.startswith(".") and found(text)
