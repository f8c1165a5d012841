"""Nodes of code, and the names that it uses."""

from __future__ import annotations

import dis
import functools
import importlib.util
import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beam_scanner.kernels.digests.digest_node import DigestNode, make_label, node_of
from beam_scanner.kernels.digests.named_files import file_digest

EMPTY_CELL = node_of("empty cell")
_HAS_DOCSTRING = 0x4000000
"""Flag of code objects, from Python 3.14 on."""


@dataclass(frozen=True)
class NamesUsed:
    """Names that code, and the code inside it, uses."""

    globals: frozenset[str]
    attributes: frozenset[str] | None
    imports: tuple[tuple[str, int, tuple[str, ...]], ...]


# By these a name may be computed.
_DYNAMIC = frozenset({"getattr", "vars", "__dict__", "attrgetter"})
# By these the globals of a module, from text.
_FROM_TEXT = frozenset({"globals", "eval", "exec"})
_NAME = re.compile(r"[^\W\d]\w*")
_READS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


@functools.lru_cache(maxsize=4096)
def names_used(code: types.CodeType) -> NamesUsed:
    """Names that code uses; attributes are None where it may use any."""
    read: set[str] = set()
    attributes: set[str] = set()
    imports = []
    texts: list[str] = []
    for part in _nested(code):
        attributes.update(part.co_names)
        texts += [text for text in part.co_consts if isinstance(text, str)]
        recent: list[Any] = [None, None]
        for instruction in dis.get_instructions(part):
            if instruction.opname in _READS:
                read.add(instruction.argval)
            elif instruction.opname == "IMPORT_NAME":
                level, names = recent
                given = names if isinstance(names, tuple) else ()
                imports.append((instruction.argval, level or 0, given))
                attributes.update(given)
            recent = [recent[1], instruction.argval]
    if read & _FROM_TEXT:
        read.update(name for text in texts for name in _NAME.findall(text))
    dynamic = bool(attributes & _DYNAMIC) or any("*" in n for _, _, n in imports)
    return NamesUsed(
        frozenset(read), None if dynamic else frozenset(attributes), tuple(imports)
    )


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


def code_node(code: types.CodeType) -> DigestNode:
    """Takes a code object apart: its instructions, constants and names."""
    skipped = _not_code(code)
    return node_of(
        "code",
        code.co_code,
        code.co_exceptiontable,
        code.co_flags & ~_HAS_DOCSTRING,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        *(make_label(*n) for n in (code.co_names, code.co_varnames, code.co_freevars)),
        parts=[
            None if index in skipped else constant
            for index, constant in enumerate(code.co_consts)
        ],
    )


def _not_code(code: types.CodeType) -> set[int]:
    """Numbers of constants that are docstrings or line numbers."""
    found = set()
    first = code.co_consts[0] if code.co_consts else None
    if isinstance(first, str) and _has_docstring(code):
        found.add(0)
    if not code.co_flags & inspect.CO_OPTIMIZED:
        # The body of a class.
        last = None
        for instruction in dis.get_instructions(code):
            stored = instruction.argval if instruction.opname == "STORE_NAME" else ""
            if last is not None and stored in ("__firstlineno__", "__doc__"):
                found.add(last)
            loads = instruction.opname == "LOAD_CONST"
            last = instruction.arg if loads else None
    return found


def _has_docstring(code: types.CodeType) -> bool:
    """Whether the first constant, if it is a string, is the docstring."""
    if sys.version_info >= (3, 14):
        return bool(code.co_flags & _HAS_DOCSTRING)
    # Comprehensions and other nameless code have no docstring; functions without
    # one have None in its place.
    named = not code.co_name.startswith("<")
    return named and bool(code.co_flags & inspect.CO_OPTIMIZED)


def cell_value(cell: types.CellType) -> Any:
    """The value that a closure refers to; ``EMPTY_CELL`` where it has none yet."""
    try:
        return cell.cell_contents
    except ValueError:  # a name that the enclosing function never set
        return EMPTY_CELL


def absolute_name(name: str, level: int, space: Mapping[str, Any]) -> str:
    """The full name of a module that a relative import names."""
    if not level:
        return name
    try:
        return importlib.util.resolve_name("." * level + name, space["__package__"])
    except (ImportError, KeyError, TypeError):
        return ""


def source_node(file: str) -> Any:
    """The compiled content of a source file, or a digest of what cannot be compiled."""
    try:
        with open(file, "rb") as source:
            return compile(source.read(), "", "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return node_of("source", file_digest(file) or "")
