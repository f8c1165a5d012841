"""Data of modules that workers import themselves, as it is in the program.

Functions and classes of such modules go by name, and workers would see the values that
the module begins with. What the program has changed since goes with the graph: numbers,
texts, containers of those and small arrays that are globals of the module, attributes of
its classes, or attributes of objects that are its globals.
"""

from __future__ import annotations

import importlib
import os
import types
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from beam_scanner._digest import code_digest

Values = dict[str, dict[str, Any]]
"""By module and dotted name."""

_ITEMS = 10_000
_BYTES = 1 << 20
_process: dict[int, str] = {}
_applied: dict[tuple[str, str], str] = {}


def this_process() -> str:
    """Names this process, and no child of it."""
    return _process.setdefault(os.getpid(), uuid.uuid4().hex)


def module_values(modules: Iterable[types.ModuleType]) -> Values:
    """Plain data of modules, and of those modules that they use."""
    return {
        module.__name__: dict(_values(module))
        for module in modules
        if not module.__name__.startswith("__")
    }


def apply_values(values: Values) -> None:
    """Gives the modules of this process the program's values, where they differ.

    What a kernel has changed here since the same values were given stays as it is.
    """
    for name, members in values.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            # Then nothing that was loaded uses it.
            continue
        for path, value in members.items():
            told = code_digest(value, home="")
            if _applied.get((name, path)) == told:
                continue
            _applied[name, path] = told
            *way, last = path.split(".")
            owner: Any = module
            for step in way:
                owner = getattr(owner, step, None)
            if owner is None:
                continue
            if code_digest(getattr(owner, last, None), home="") != told:
                setattr(owner, last, value)


def _values(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in list(vars(module).items()):
        if name.startswith("__"):
            continue
        if _is_plain(value, [_ITEMS]):
            yield name, value
        elif isinstance(value, type):
            if value.__module__ == module.__name__:
                yield from _attributes(name, vars(value))
        elif type(value).__module__ == module.__name__:
            yield from _attributes(name, getattr(value, "__dict__", {}))


def _attributes(owner: str, values: Any) -> Iterator[tuple[str, Any]]:
    for name, value in list(values.items()):
        if not name.startswith("__") and _is_plain(value, [_ITEMS]):
            yield f"{owner}.{name}", value


def _is_plain(value: Any, left: list[int]) -> bool:
    """Whether a value is plain data, and not too much of it."""
    left[0] -= 1
    kind = type(value)
    if left[0] < 0:
        return False
    if kind in (int, float, complex, bool, type(None)):
        return True
    if kind in (str, bytes, bytearray):
        return len(value) <= _BYTES
    if kind is np.ndarray:
        return value.nbytes <= _BYTES and not value.dtype.hasobject
    if kind in (list, tuple, set, frozenset):
        return all(_is_plain(v, left) for v in list(value))
    if kind is dict:
        pairs = list(value.items())
        return all(_is_plain(k, left) and _is_plain(v, left) for k, v in pairs)
    return False
