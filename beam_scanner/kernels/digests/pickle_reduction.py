"""How objects are reduced for pickling, and where that differs from plain pickling.

Caches travel empty: a function with ``functools.lru_cache`` by the function and its
parameters, an object without the values of its cached properties, weak dictionaries
without what they refer to.
"""

from __future__ import annotations

import ctypes
import functools
import pickle
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from beam_scanner.beam_internals.quiet_import import import_beam

_WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)


def reduced(value: Any) -> Any:
    """The parts that pickling writes of an object, without values of cached properties."""
    import_beam()
    from beam_scanner.beam_internals.pickler import reducer_of

    kind = type(value)
    reduce = reducer_of(kind)
    if reduce is not None:
        return reduce(value)
    return without_cached(value, value.__reduce_ex__(5))


def reduce_own(value: Any, is_by_name: Callable[[Any], bool]) -> Any:
    """How our pickler reduces an object where cloudpickle differs; else NotImplemented.

    Args:
        value: The object to pickle.
        is_by_name: Whether workers find a function under its name.

    Raises:
        PicklingError: It would be pickled, but could not be loaded.
    """
    kind: Any = type(value)
    if kind is functools._lru_cache_wrapper:
        if is_by_name(value):
            return NotImplemented
        sizes = value.cache_parameters()
        state = {k: v for k, v in vars(value).items() if k != "__wrapped__"}
        arguments = (value.__wrapped__, sizes["maxsize"], sizes["typed"])
        return _make_cached, arguments, state
    if kind is memoryview:
        data = value.tobytes() if value.readonly else bytearray(value.tobytes())
        return _make_memory, (data, value.format, value.shape)
    if kind in _WEAK:
        return kind, ()
    if isinstance(value, ctypes.CDLL):
        raise pickle.PicklingError(
            f"the native library {value._name!r} is loaded in this process alone"
        )
    if is_struct(value) and not is_by_name(value):
        raise pickle.PicklingError(
            f"msgspec struct {value.__qualname__!r} would arrive without its fields: "
            "define it in a module beside the program"
        )
    if kind is typing.NewType and value.__module__ == "__main__":
        return typing.NewType, (value.__name__, value.__supertype__)
    if kind is object:
        return _by_place(value, list(sys.modules.values()), is_by_name)
    if kind.__reduce_ex__ is not object.__reduce_ex__ or isinstance(value, type):
        return NotImplemented
    if _names_of(kind):
        return without_cached(value, value.__reduce_ex__(5))
    module = sys.modules.get(kind.__module__)
    if module is not None and not getattr(value, "__dict__", None):
        return _by_place(value, [module], is_by_name)
    return NotImplemented


def is_struct(value: Any) -> bool:
    """Whether it is a class of ``msgspec``, whose fields only native code knows."""
    return isinstance(value, type) and hasattr(value, "__struct_config__")


def _by_place(
    value: Any,
    modules: Iterable[types.ModuleType],
    is_by_name: Callable[[Any], bool],
) -> Any:
    """An object that is known by its identity, by where it stands in a module."""
    for module in modules:
        if not isinstance(module, types.ModuleType) or module.__name__ == "__main__":
            continue
        for name, member in list(vars(module).items()):
            if member is value and _is_stateless(value):
                if _is_imported(module, is_by_name):
                    return getattr, (module, name)
                return NotImplemented
    return NotImplemented


def _is_stateless(value: Any) -> bool:
    try:
        parts = value.__reduce_ex__(5)
    except Exception:
        return False
    if not isinstance(parts, tuple) or parts[1] != (type(value),):
        return False
    return all(part is None for part in parts[2:])


def _is_imported(module: types.ModuleType, is_by_name: Callable[[Any], bool]) -> bool:
    """Whether workers import a module, judged by any function or class of it."""
    own = [
        member
        for member in vars(module).values()
        if isinstance(member, (types.FunctionType, type))
        and member.__module__ == module.__name__
    ]
    return any(map(is_by_name, own))


_making: ContextVar[dict[Any, Any] | None] = ContextVar("_making", default=None)


@contextmanager
def cached_once() -> Iterator[None]:
    """While open, a cached function that is loaded twice is one: it may call itself."""
    token = _making.set({})
    try:
        yield
    finally:
        _making.reset(token)


def _make_cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    made = _making.get()
    key = (id(function), maxsize, typed)
    if made is not None and key in made:
        return made[key]
    cached = functools.lru_cache(maxsize, typed)(function)
    if made is not None:
        made[key] = cached
    return cached


def _make_memory(data: Any, form: str, shape: tuple[int, ...]) -> memoryview:
    view: Any = memoryview(data)
    made: memoryview = (
        view if (form, len(shape)) == ("B", 1) else view.cast(form, shape)
    )
    return made


_names: weakref.WeakKeyDictionary[type, list[str]] = weakref.WeakKeyDictionary()


def _names_of(kind: type) -> list[str]:
    try:
        if kind not in _names:
            _names[kind] = cached_names(kind)
        return _names[kind]
    except TypeError:  # classes that cannot be hashed
        return []


def cached_names(kind: type) -> list[str]:
    """Names of the cached properties of a class whose objects pickle in the plain way."""
    plain: Any = object
    for name in ("__reduce_ex__", "__reduce__", "__getstate__"):
        if getattr(kind, name) is not getattr(plain, name):
            return []
    return [
        name
        for cls in kind.__mro__
        for name, member in vars(cls).items()
        if isinstance(member, functools.cached_property)
    ]


def without_cached(value: Any, parts: Any) -> Any:
    """Leaves out values of cached properties: they are computed again when they are used."""
    names = cached_names(type(value))
    if not names or not isinstance(parts, tuple) or len(parts) < 3:
        return parts
    make, arguments, state, *more = parts
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], dict):
        kept = {k: v for k, v in state[0].items() if k not in names}
        return (make, arguments, (kept, state[1]), *more)
    if isinstance(state, dict):
        kept = {k: v for k, v in state.items() if k not in names}
        return (make, arguments, kept or None, *more)
    return parts


_DISPATCHED = functools.singledispatch(lambda _: None).__code__  # type: ignore[attr-defined]


def is_dispatched(function: types.FunctionType) -> bool:
    """Whether a function is one of ``functools.singledispatch``."""
    return bool(function.__code__ == _DISPATCHED)


def states_itself(kind: type) -> bool:
    """Whether Python code of its own says how an object is pickled."""
    return any(
        isinstance(getattr(kind, name, None), types.FunctionType)
        for name in ("__reduce_ex__", "__reduce__", "__getstate__")
    )


def is_slots(state: tuple[Any, Any]) -> bool:
    """Whether a state is that of a dictionary and slots."""
    first, second = state
    return isinstance(second, dict) and (first is None or isinstance(first, dict))
