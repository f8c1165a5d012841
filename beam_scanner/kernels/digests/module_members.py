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
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from beam_scanner.kernels.digests.code_nodes import EMPTY_CELL, cell_value
from beam_scanner.kernels.digests.digest import code_digest
from beam_scanner.kernels.digests.digest_node import ModuleUse
from beam_scanner.kernels.digests.installed_code import is_library
from beam_scanner.kernels.digests.object_reader import ObjectReader, class_members
from beam_scanner.kernels.digests.pickle_reduction import is_dispatched

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
    if isinstance(owner, tuple) and name.isdecimal():
        return owner[int(name)] if int(name) < len(owner) else absent
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
    waiting: list[_Code] = [(thing, None) for thing in code]
    seen = set()
    while waiting:
        thing, at = waiting.pop()
        key = thing.key if isinstance(thing, ModuleUse) else id(thing)
        if key in seen:
            continue
        seen.add(key)
        for place, value in _seen_from(reader, thing, at, is_sent):
            if isinstance(value, ModuleUse):
                waiting.append((value, None))
                value = value.module
            if place is None or is_library(place[0]) or place in found:
                continue
            own = _own_code(place, value)
            waiting += own
            if not own:
                found[place] = value
                waiting += [(thing, None) for thing in code_in(place, value)]
    return found


_Code = tuple[Any, Place | None]
"""A function, class or module; where it stands, if that is known."""
_CELL, _WRAPPED = "cell_contents", "__wrapped__"


def _seen_from(
    reader: ObjectReader,
    thing: Any,
    at: Place | None,
    is_sent: Callable[[types.ModuleType], bool],
) -> Iterator[tuple[Place | None, Any]]:
    if isinstance(thing, types.FunctionType):
        module = _module_of(thing)
        by_name = module is not None and not is_sent(module)
        for name, value in reader.names_of(thing).items():
            if isinstance(value, ModuleUse) or by_name:
                inside = by_name and name in thing.__globals__
                yield (module.__name__, name) if module and inside else None, value
        at = at or _place_of(thing)
        if by_name and at is not None:
            for name, value in _held(thing):
                yield (at[0], f"{at[1]}.{name}"), value
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
    # A decorator may have made another class of it, which stands in its place.
    at = at or _place_of(thing)
    if at is not None and not is_sent(module):
        for name, value in class_members(thing).items():
            yield (at[0], f"{at[1]}.{name}"), value


def _module_of(function: types.FunctionType) -> types.ModuleType | None:
    """The module whose globals a function sees."""
    module = sys.modules.get(str(function.__globals__.get("__name__")))
    if isinstance(module, types.ModuleType) and vars(module) is function.__globals__:
        return module
    return None


def _place_of(code: types.FunctionType | type) -> Place | None:
    """Where code stands by its name; None if another object stands there."""
    place = code.__module__, code.__qualname__
    found = member_at(place)
    return place if found is not None and found[2] is code else None


def _held(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function holds beside its code, by the way to it."""
    if is_dispatched(function):
        yield from _cells("dispatch.", function.dispatch, {"registry"})  # type: ignore[attr-defined]
        return
    if is_library(str(function.__globals__.get("__name__"))):
        # What an installed decorator keeps is its own, but for what it has wrapped.
        kept = _cells("", function, set(function.__code__.co_freevars))
        yield from ((way, value) for way, value in kept if _is_code(value))
        if _is_code(vars(function).get(_WRAPPED)):
            yield _WRAPPED, vars(function)[_WRAPPED]
        return
    for name in ("__defaults__", "__kwdefaults__"):
        if getattr(function, name) is not None:
            yield name, getattr(function, name)
    for name, value in vars(function).items():
        if not name.startswith("__"):
            yield name, value
    yield from _cells("", function, set(function.__code__.co_freevars))


def _cells(
    way: str, function: types.FunctionType, wanted: set[str]
) -> Iterator[tuple[str, Any]]:
    names = function.__code__.co_freevars
    cells = zip(names, function.__closure__ or (), strict=True)
    for number, (name, cell) in enumerate(cells):
        value = cell_value(cell)
        if value is not EMPTY_CELL and name in wanted:
            yield f"{way}__closure__.{number}.{_CELL}", value


def _is_code(value: Any) -> bool:
    return isinstance(value, (types.FunctionType, type))


def _own_code(place: Place, value: Any) -> list[_Code]:
    """The functions and classes that a value is, if they are those defined there."""
    ways: dict[str, Any] = {"": value}
    if isinstance(value, (staticmethod, classmethod)):
        ways = {".__func__": value.__func__}
    elif isinstance(value, property):
        functions = {name: getattr(value, name) for name in ("fget", "fset", "fdel")}
        ways = {f".{name}": part for name, part in functions.items() if part}
    elif isinstance(value, functools.cached_property):
        ways = {".func": value.func}
    found: list[_Code] = []
    for way, part in ways.items():
        if isinstance(part, functools._lru_cache_wrapper):
            way, part = f"{way}.__wrapped__", part.__wrapped__
        if not _is_code(part):
            return []
        # What a decorator has wrapped stands in the closure of what it has made.
        is_own = (part.__module__, part.__qualname__) == place
        if not is_own and not place[1].endswith((f".{_CELL}", f".{_WRAPPED}")):
            return []
        found.append((part, (place[0], f"{place[1]}{way}")))
    return found
