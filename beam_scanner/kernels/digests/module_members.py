"""Values that code finds in its modules, and that may be others in workers.

Functions and classes of modules that workers import are read as the digest reads them:
which globals, attributes of classes and attributes of functions they use, and so on
from there. Anything but such a function or class where it was defined is a member: a
value that the program may have changed since its module was imported.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.kernels.digests.digest_node import ModuleUse
from beam_scanner.kernels.digests.installed_code import is_library
from beam_scanner.kernels.digests.object_reader import ObjectReader, class_members

Place = tuple[str, str]
"""A module, and a dotted name in it."""


def member_digest(value: Any) -> str:
    """A digest of a member; functions and classes of other modules count by name."""
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if _is_found_by_name(value):
        return f"code {value.__module__}.{value.__qualname__}"
    return code_digest(value, home="")


def has_content(value: Any) -> bool:
    """Whether more than the type of a value counts in a digest."""
    return not ObjectReader().node(value).opaque


def _is_found_by_name(value: Any) -> bool:
    if not isinstance(value, (types.FunctionType, type)):
        return False
    found = member_at((value.__module__, value.__qualname__))
    return found is not None and found[2] is value


def member_at(place: Place) -> tuple[Any, str, Any] | None:
    """The owner of a member, its name there, and its value in this process.

    Its value is ``absent`` where there is none; without the owner there is no member.
    """
    name, path = place
    owner: Any = sys.modules.get(name)
    *way, last = path.split(".")
    for step in way:
        owner = _attribute(owner, step)
    if owner is None or owner is absent:
        return None
    return owner, last, _attribute(owner, last)


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


absent = _Absent()
"""Stands for what is not there."""


def _attribute(owner: Any, name: str) -> Any:
    # As it was set: without making methods of functions.
    if isinstance(owner, (type, types.ModuleType)):
        return vars(owner).get(name, absent)
    return getattr(owner, name, absent)


def members_used(
    code: Iterable[Any],
    is_sent: Callable[[types.ModuleType], bool],
    code_in: Callable[[Place, Any], Iterable[Any]],
) -> dict[Place, Any]:
    """Members that code uses, of modules that workers import.

    Args:
        code: Functions and classes.
        is_sent: Whether a module's functions are sent, rather than their names.
        code_in: The functions and classes that a value of a member holds.
    """
    reader = ObjectReader()
    found: dict[Place, Any] = {}
    waiting = list(code)
    seen = set()
    while waiting:
        thing = waiting.pop()
        key = thing.key if isinstance(thing, ModuleUse) else id(thing)
        if key in seen:
            continue
        seen.add(key)
        for place, value in _seen_from(reader, thing, is_sent):
            if isinstance(value, ModuleUse):
                waiting.append(value)
                value = value.module
            if place is None or is_library(place[0]) or place in found:
                continue
            own = _own_code(place, value)
            waiting += own
            if not own:
                found[place] = value
                waiting += code_in(place, value)
    return found


def _seen_from(
    reader: ObjectReader, thing: Any, is_sent: Callable[[types.ModuleType], bool]
) -> Iterator[tuple[Place | None, Any]]:
    if isinstance(thing, types.FunctionType):
        module = _module_of(thing)
        by_name = module is not None and not is_sent(module)
        for name, value in reader.names_of(thing).items():
            if isinstance(value, ModuleUse) or by_name:
                inside = by_name and name in thing.__globals__
                yield (module.__name__, name) if module and inside else None, value
        if by_name and module is not None:
            for name, value in _set_on_function(thing):
                yield (module.__name__, f"{thing.__qualname__}.{name}"), value
        return
    if isinstance(thing, ModuleUse):
        if is_library(thing.module.__name__) or is_sent(thing.module):
            return
        for name, value in reader.members_of(thing).items():
            yield (thing.module.__name__, name), value
        return
    module = sys.modules.get(thing.__module__)
    if not isinstance(module, types.ModuleType) or is_library(thing.__module__):
        return
    if "<locals>" in thing.__qualname__:
        return
    for base in (type(thing), *thing.__bases__):
        yield (base.__module__, base.__qualname__), base
    if not is_sent(module):
        for name, value in class_members(thing).items():
            yield (thing.__module__, f"{thing.__qualname__}.{name}"), value


def _module_of(function: types.FunctionType) -> types.ModuleType | None:
    """The module whose globals a function sees."""
    module = sys.modules.get(str(function.__globals__.get("__name__")))
    if isinstance(module, types.ModuleType) and vars(module) is function.__globals__:
        return module
    return None


def _set_on_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    if "<locals>" in function.__qualname__:
        return
    for name in ("__defaults__", "__kwdefaults__"):
        if getattr(function, name) is not None:
            yield name, getattr(function, name)
    for name, value in vars(function).items():
        if not name.startswith("__"):
            yield name, value


def _own_code(place: Place, value: Any) -> Collection[Any]:
    """The functions and classes that a value is, if they are those defined there."""
    parts: list[Any] = [value]
    if isinstance(value, (staticmethod, classmethod)):
        parts = [value.__func__]
    elif isinstance(value, property):
        parts = [part for part in (value.fget, value.fset, value.fdel) if part]
    elif isinstance(value, functools.cached_property):
        parts = [value.func]
    parts = [
        part.__wrapped__ if isinstance(part, functools._lru_cache_wrapper) else part
        for part in parts
    ]
    for part in parts:
        if not isinstance(part, (types.FunctionType, type)):
            return []
        if (part.__module__, part.__qualname__) != place:
            return []
    return parts
