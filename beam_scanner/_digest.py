"""What code does, as a short text: equal in every process, new when the code changes.

Bytecode, constants and names of a kernel go in, and so does what they refer to:
closure values, defaults, base classes, helper functions, classes and plain data that
the code names. Code that is installed (the standard library, site-packages, this
package) counts by its name alone, and so does an object that is not plain data, such
as a lock or a model: the ``version`` of an op is for what is not seen here. Arguments
are what pickling makes of them, whatever they are.

Lists, dicts and other data that can change count as they were when they were first
read: a kernel that counts its calls in one is still the same kernel.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import dis
import enum
import fractions
import functools
import hashlib
import inspect
import os
import pathlib
import re
import site
import sys
import sysconfig
import types
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

_ATOMS = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis), range)

# Plain data of the standard library: pickling tells all of it.
_VALUES = (
    array.array,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    slice,
    types.SimpleNamespace,
    uuid.UUID,
)

_CODE = (
    types.FunctionType,
    types.MethodType,
    type,
    staticmethod,
    classmethod,
    property,
    functools.cached_property,
    functools.partial,
    functools.partialmethod,
)

# Made by the interpreter, by annotations or by pickling, not by what a class does.
_CLASS_NOISE = frozenset(
    {
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__match_args__",
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__qualname__",
        "__slotnames__",
        "__static_attributes__",
        "__weakref__",
        "_abc_impl",
    }
)


@functools.cache
def library_folders() -> tuple[str, ...]:
    """Folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    found = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple({os.path.join(os.path.realpath(path), "") for path in found})


def is_library(module: str) -> bool:
    """Whether a module is installed, rather than the user's own code.

    Example:
        >>> is_library('json.decoder'), is_library('numpy'), is_library('__main__')
        (True, True, False)
    """
    top = module.partition(".")[0]
    if top == "__main__":
        return False
    if top == "beam_scanner" or top in sys.stdlib_module_names:
        return True
    loaded = sys.modules.get(module)
    if loaded is None:
        return False
    file = getattr(loaded, "__file__", None)
    if file is None:
        return top in sys.builtin_module_names
    return _in_library(file)


@functools.lru_cache(maxsize=4096)
def _in_library(file: str) -> bool:
    return os.path.realpath(file).startswith(library_folders())


FirstSeen = dict[Any, tuple[object, bytes]]
"""What changeable data was when it was first read."""


def code_digest(
    *things: object, home: str, first: FirstSeen | None = None, by_value: bool = False
) -> str:
    """A digest of functions, classes and plain values, and of what they use.

    Args:
        *things: What to read.
        home: A module whose code counts in full though it be installed: the
            kernel's own.
        first: Filled by the first call, and obeyed by later ones that are given
            it: data that has changed in place since counts as it was.
        by_value: Whether objects of installed classes count by what pickling would
            write of them, not by name: for what is sent to workers.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> two, three = (eval(f'lambda x: x + {n}') for n in (2, 3))
        >>> code_digest(two, home=__name__) == code_digest(three, home=__name__)
        False
    """
    reader = _Reader(home, {}, {} if first is None else first, by_value)
    for thing in things:
        reader.visit(thing)
    return reader.hash.hexdigest()


class _Reader:
    """Walks objects in a fixed order and hashes what it meets."""

    def __init__(
        self, home: str, seen: dict[int, int], first: FirstSeen, by_value: bool
    ) -> None:
        self.home = home
        self.by_value = by_value
        self.hash = hashlib.blake2b(digest_size=16)
        # Number of each object in the order of visits, so that cycles end. Only
        # for objects with an identity of their own: equal constants may be one
        # object in this process and two in the next.
        self.seen = dict(seen)
        self.first = first
        self.alive: list[object] = []

    def put(self, *parts: object) -> None:
        for part in parts:
            data = (
                part
                if isinstance(part, bytes)
                else str(part).encode(errors="surrogatepass")
            )
            self.hash.update(b"%d:" % len(data))
            self.hash.update(data)

    def visit(self, value: Any) -> None:
        if isinstance(value, _ATOMS) and not isinstance(value, enum.Enum):
            self.put(type(value).__name__, repr(value))
        elif isinstance(value, types.CodeType):
            self.code(value)
        elif isinstance(value, frozenset):
            self.unordered(value)
        elif isinstance(value, tuple):
            self.put("tuple", type(value).__name__, len(value))
            self.each(value)
        elif isinstance(value, types.ModuleType):
            self.put("module", value.__name__)
        elif id(value) in self.seen:
            self.put("again", self.seen[id(value)])
        elif _is_code(value):
            self.seen[id(value)] = len(self.seen)
            self.alive.append(value)
            self.visit_code(value)
        else:
            self.once(id(value), value, value)

    def once(self, key: Any, owner: object, value: Any) -> None:
        """Reads changeable data, or takes what was read when it was first seen."""
        if key not in self.first:
            reader = _Reader(self.home, self.seen, self.first, self.by_value)
            reader.seen[id(value)] = len(reader.seen)
            reader.visit_data(value)
            self.first[key] = (owner, reader.hash.digest())
        self.put("data", self.first[key][1])

    def visit_code(self, value: Any) -> None:
        if isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, type):
            self.klass(value)
        elif isinstance(value, (staticmethod, classmethod)):
            self.put(type(value).__name__)
            self.visit(value.__func__)
        elif isinstance(value, property):
            self.put("property")
            self.each((value.fget, value.fset, value.fdel))
        elif isinstance(value, functools.cached_property):
            self.put("cached property")
            self.visit(value.func)
        elif isinstance(value, (functools.partial, functools.partialmethod)):
            self.put(type(value).__name__)
            self.each((value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            self.put("method")
            self.each((value.__func__, value.__self__))
        else:
            self.put("wrapper")
            self.each((type(value), value.__wrapped__))

    def visit_data(self, value: Any) -> None:
        if isinstance(value, (list, collections.deque)):
            self.put("list", len(value))
            self.each(value)
        elif isinstance(value, (dict, types.MappingProxyType)):
            self.mapping(value)
        elif isinstance(value, set):
            self.unordered(value)
        elif isinstance(value, (*_ATOMS, tuple, frozenset)):
            self.visit(value)
        else:
            self.instance(value)

    def each(self, values: Iterable[Any]) -> None:
        for value in values:
            self.visit(value)

    def mapping(self, values: Mapping[Any, Any]) -> None:
        self.put("dict", len(values))
        for key, value in values.items():
            self.visit(key)
            self.visit(value)

    def unordered(self, values: Iterable[Any]) -> None:
        found = []
        for value in values:
            reader = _Reader(self.home, self.seen, self.first, self.by_value)
            reader.visit(value)
            found.append(reader.hash.digest())
        self.put("set", len(found), *sorted(found))

    def function(self, function: types.FunctionType) -> None:
        if self.by_name(function):
            return
        self.put("function")
        self.code(function.__code__)
        self.visit(function.__defaults__)
        self.visit(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                self.visit(cell.cell_contents)
            except ValueError:  # a name that the enclosing function never set
                self.put("empty cell")
        named = _global_names(function.__code__)
        for name in sorted(named):
            if name in function.__globals__:
                self.put("global", name)
                self.global_value(function.__globals__[name], named[name])

    def global_value(self, value: Any, attributes: set[str]) -> None:
        self.visit(value)
        if isinstance(value, types.ModuleType) and not self.is_foreign(value.__name__):
            for name in sorted(attributes & vars(value).keys()):
                self.put("attribute", name)
                self.visit(vars(value)[name])

    def code(self, code: types.CodeType) -> None:
        self.put("code", code.co_code, code.co_exceptiontable, code.co_flags)
        self.put(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        for names in (code.co_names, code.co_varnames, code.co_freevars):
            self.each(names)
        documented = _has_docstring(code)
        for index, constant in enumerate(code.co_consts):
            if index == 0 and documented and isinstance(constant, str):
                self.put("docstring")
            else:
                self.visit(constant)

    def klass(self, cls: type) -> None:
        if self.by_name(cls):
            return
        self.put("class", len(cls.__bases__))
        self.each(cls.__bases__)
        for name in sorted(vars(cls).keys() - _CLASS_NOISE):
            self.put(name)
            value = vars(cls)[name]
            if _is_code(value):
                self.visit(value)
            else:
                self.once((id(cls), name), cls, value)

    def instance(self, value: Any) -> None:
        self.put("instance")
        self.visit(type(value))
        if type(value) is np.ndarray:
            self.put(value.dtype.str, value.shape)
            self.visit(value.tolist() if value.dtype.hasobject else value.tobytes())
        elif isinstance(value, memoryview):
            self.put(value.format, value.shape, value.tobytes())
        elif isinstance(value, (np.generic, enum.Enum, pathlib.PurePath, bytearray)):
            self.put(repr(value))
        elif isinstance(value, re.Pattern):
            self.put(repr(value.pattern), value.flags)
        elif dataclasses.is_dataclass(value):
            fields = dataclasses.fields(value)
            self.mapping({f.name: getattr(value, f.name, None) for f in fields})
        elif not self.is_foreign(type(value).__module__):
            self.mapping({**getattr(value, "__dict__", {}), **_slots(value)})
        elif self.by_value or isinstance(value, (*_VALUES, np.ndarray)):
            self.pickled(value)
        else:
            self.put(_name(value))

    def pickled(self, value: Any) -> None:
        """What pickling would write of an object."""
        try:
            parts = value.__reduce_ex__(2)
        except Exception:
            # It cannot be sent to a worker either.
            self.put(_name(value))
            return
        # What is seen is known by its id, which must not be given again.
        self.alive.append(parts)
        if isinstance(parts, str):
            self.put("name", parts)
            return
        make, args, *more = parts
        self.put("made", _name(make), getattr(make, "__module__", ""))
        self.visit(args)
        for part in more:
            self.visit(list(part) if isinstance(part, Iterator) else part)

    def by_name(self, thing: Any) -> bool:
        if self.is_foreign(thing.__module__ or ""):
            self.put("library", thing.__module__, thing.__qualname__)
            return True
        return False

    def is_foreign(self, module: str) -> bool:
        return module != self.home and is_library(module)


def _is_code(value: Any) -> bool:
    """Whether what a value does follows from what it refers to."""
    return isinstance(value, _CODE) or (
        hasattr(value, "__wrapped__") and callable(value)
    )


def _name(value: Any) -> str:
    found = getattr(value, "__qualname__", getattr(value, "__name__", ""))
    return found if isinstance(found, str) else ""


def _slots(value: Any) -> dict[str, Any]:
    """Attributes that an object keeps outside its ``__dict__``."""
    names: list[str] = []
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{cls.__name__.lstrip('_')}{name}" if private else name)
    names = [n for n in names if n not in ("__dict__", "__weakref__")]
    return {n: getattr(value, n) for n in sorted(names) if hasattr(value, n)}


def _has_docstring(code: types.CodeType) -> bool:
    """Whether the first constant, if a text, is the docstring."""
    # Comprehensions and other nameless code have no docstring; functions without
    # one have None in its place.
    named = not code.co_name.startswith("<")
    return named and bool(code.co_flags & inspect.CO_OPTIMIZED)


def _global_names(code: types.CodeType) -> dict[str, set[str]]:
    """Globals that code reads and does not itself assign; attributes of any of them."""
    read: set[str] = set()
    written: set[str] = set()
    attributes: set[str] = set()
    for part in _nested(code):
        attributes.update(part.co_names)
        for instruction in dis.get_instructions(part):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                read.add(instruction.argval)
            elif instruction.opname == "STORE_GLOBAL":
                written.add(instruction.argval)
    return dict.fromkeys(read - written, attributes)


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)
