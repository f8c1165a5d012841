"""Reads objects into nodes: a label, and the objects that each consists of.

The same as pickling sends, in a form that is equal for equal values in every process:
code without line numbers, names of files and docstrings; attributes sorted by name;
sets without order; no identities and no addresses; caches without what they hold.
"""

from __future__ import annotations

import abc
import enum
import functools
import importlib
import importlib.util
import sys
import types
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from beam_scanner.kernels.digests.code_nodes import (
    absolute_name,
    cell_value,
    code_node,
    names_used,
    source_node,
)
from beam_scanner.kernels.digests.digest_node import (
    DigestNode,
    Edges,
    ModuleUse,
    attributes_node,
    content_hash,
    data_node,
    make_label,
    mapping_node,
    node_of,
    pair,
    sequence_node,
    string_node,
    text_of,
)
from beam_scanner.kernels.digests.installed_code import is_installed_file, is_library
from beam_scanner.kernels.digests.named_files import file_digest
from beam_scanner.kernels.digests.pickle_reduction import (
    is_dispatched,
    is_slots,
    is_struct,
    reduced,
    states_itself,
)

_HEAP_TYPE = 1 << 9
"""Flag of classes that a class statement, or native code at run time, has made."""
_ATOMS = frozenset({int, float, complex, bool, type(None), type(Ellipsis), range})
_DESCRIPTORS = (
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
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
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__qualname__",
        "__signature__",
        "__slotnames__",
        "__static_attributes__",
        "__weakref__",
        "_abc_impl",
    }
)
_ENUM_NOISE = frozenset(
    {
        "__new__",
        "__new_member__",
        "_generate_next_value_",
        "_hashable_values_",
        "_member_map_",
        "_member_names_",
        "_member_type_",
        "_new_member_",
        "_unhashable_values_",
        "_unhashable_values_map_",
        "_use_args_",
        "_value2member_map_",
        "_value_repr_",
    }
)
_MODULE_NOISE = frozenset(
    {
        "__annotations__",
        "__builtins__",
        "__cached__",
        "__doc__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
    }
)
_PYDANTIC_NOISE = {"cls_ref": "", "ns_resolver": ""}
# Pickling them twice is known to give the same.
_STEADY = frozenset({"numpy", "pandas", "pyarrow", "beam_scanner", "google"})


class ObjectReader:
    """Takes objects apart.

    Args:
        homes: Modules whose code counts in full even where it is installed; of each,
            its whole package, but for this one.
    """

    def __init__(self, homes: Collection[str] = ()) -> None:
        self._modules = {home for home in homes if home}
        self._packages = {home.partition(".")[0] for home in self._modules}
        self._packages -= {"beam_scanner", *sys.stdlib_module_names}
        self._known: dict[str, dict[int, str]] = {}

    def node(self, value: Any) -> DigestNode:
        """The parts of an object."""
        kind = type(value)
        if kind is DigestNode:
            return value  # type: ignore[no-any-return]
        if kind is ModuleUse:
            return self._module(value)
        if kind in _ATOMS:
            return node_of(kind.__name__, text_of(value))
        if kind is str:
            return string_node(value)
        if kind in (bytes, bytearray):
            return node_of(kind.__name__, content_hash(value))
        if kind in (list, tuple):
            return sequence_node(value)
        if kind is dict or kind is types.MappingProxyType:
            return mapping_node(value)
        if kind in (set, frozenset):
            return replace(node_of(kind.__name__, parts=value), unordered=True)
        return self._code(value) or data_node(value) or self._generic(value)

    # --- code ------------------------------------------------------------------

    def _code(self, value: Any) -> DigestNode | None:
        if isinstance(value, types.CodeType):
            return code_node(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.ModuleType):
            return self._module(ModuleUse(value, None))
        if isinstance(value, (staticmethod, classmethod)):
            return node_of(type(value).__name__, parts=[value.__func__])
        if type(value) is property:
            return node_of("property", parts=[value.fget, value.fset, value.fdel])
        if isinstance(value, functools.cached_property):
            return node_of("cached property", parts=[value.func])
        if isinstance(value, (functools.partial, functools.partialmethod)):
            given = [("argument", argument) for argument in value.args]
            by_name = attributes_node("", value.keywords, "argument")
            made = DigestNode(make_label("arguments", len(given)), given)
            parts = value.func, made, by_name
            return node_of("partial", type(value).__name__, parts=parts)
        if isinstance(value, types.MethodType):
            return self._in_library(value) or node_of(
                "method", parts=[value.__func__, value.__self__]
            )
        if isinstance(value, types.CellType):
            return node_of("cell", parts=[cell_value(value)])
        if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
            return self._builtin(value)
        if isinstance(value, _DESCRIPTORS):
            owner = value.__objclass__
            return node_of("descriptor", owner.__qualname__, value.__name__)
        return None

    def _function(self, function: types.FunctionType) -> DigestNode:
        module = function.__module__
        if self.is_foreign(module) and _stands(function):
            return node_of("library", module, function.__qualname__)
        if is_dispatched(function):
            return node_of("dispatched", parts=[function.registry])  # type: ignore[attr-defined]
        code = function.__code__
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        edges: Edges = [("", code)]
        edges += [("default of a parameter", v) for v in function.__defaults__ or ()]
        names: list[object] = ["function", len(function.__defaults__ or ())]
        named = {
            "keyword default": function.__kwdefaults__ or {},
            "variable": {name: cell_value(cell) for name, cell in cells},
            "attribute": {
                k: v for k, v in vars(function).items() if k != "__wrapped__"
            },
        }
        if not self.is_foreign(function.__globals__.get("__name__")):
            named["global"] = self._globals(function)
            named["import"] = self._imports(function)
        for kind, values in named.items():
            edges += [(f"{kind} {name}", values[name]) for name in sorted(values)]
            names += [kind, *sorted(values)]
        return DigestNode(make_label(*names), edges)

    def names_of(self, function: types.FunctionType) -> dict[str, Any]:
        """Globals that a function reads, and modules of the user's that it imports."""
        if self.is_foreign(function.__globals__.get("__name__")):
            return {}
        return self._imports(function) | self._globals(function)

    def members_of(self, use: ModuleUse) -> dict[str, Any]:
        """The globals of a module that are used."""
        found = {}
        space, names = vars(use.module), use.names
        if names is not None and names - space.keys():
            names |= {"__getattr__"}
        for name, value in list(space.items()):
            if name not in _MODULE_NOISE and (names is None or name in names):
                found[name] = _used(value, use.names)
        return found

    def _globals(self, function: types.FunctionType) -> dict[str, Any]:
        """Globals that a function, and those inside it, read."""
        space = function.__globals__
        used = names_used(function.__code__)
        names = (used.globals - _MODULE_NOISE) & space.keys()
        return {name: _used(space[name], used.attributes) for name in names}

    def _imports(self, function: types.FunctionType) -> dict[str, Any]:
        """Modules of the user's own that a function imports when it is called."""
        found: dict[str, Any] = {}
        used = names_used(function.__code__)
        for name, level, names in used.imports:
            full = absolute_name(name, level, function.__globals__)
            for each in (full, *(f"{full}.{n}" for n in names)):
                module = self._imported(each)
                if module is not None:
                    found[each] = _used(module, used.attributes)
        return found

    def _imported(self, name: str) -> Any:
        """A user's module, its code where it cannot be imported here, or None."""
        top = name.partition(".")[0]
        if not name or top in sys.stdlib_module_names or self.is_foreign(top):
            return None
        if name in sys.modules:
            module = sys.modules[name]
            foreign = module is None or self.is_foreign(name)
            return None if foreign else module
        try:
            spec = importlib.util.find_spec(name)
        except Exception:
            return None
        origin = spec.origin if spec is not None else None
        if spec is None or origin is None or is_installed_file(origin):
            return None
        try:
            return importlib.import_module(name)
        except Exception:
            return source_node(origin)

    def _module(self, use: ModuleUse) -> DigestNode:
        module = use.module
        if self.is_foreign(module.__name__):
            return node_of("module", module.__name__)
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not file.endswith(".py"):
            return node_of("compiled module", file_digest(file))
        members = self.members_of(use)
        names = sorted(members)
        edges = [(f"global {name}", members[name]) for name in names]
        return DigestNode(make_label("own module", *names), edges)

    def _class(self, cls: type) -> DigestNode:
        module, name = cls.__module__, cls.__qualname__
        static = not cls.__flags__ & _HEAP_TYPE
        if static or (self.is_foreign(module) and _stands(cls)):
            return node_of("library", module, name)
        descriptor = getattr(cls, "DESCRIPTOR", None)
        if descriptor is not None and hasattr(descriptor, "full_name"):
            file = getattr(descriptor.file, "serialized_pb", b"")
            return node_of("message", descriptor.full_name, file)
        members = class_members(cls)
        edges: Edges = [("", base) for base in cls.__bases__]
        if type(cls) is not type:
            edges.append(("", type(cls)))
        if issubclass(cls, enum.Enum):
            values = cls.__members__
            named = [(k, v.value) for k, v in values.items()]
            edges.append(("", DigestNode(make_label(*values), named)))
        edges += _beside_members(cls)
        for key in sorted(members):
            is_code = isinstance(members[key], types.FunctionType)
            word = "method" if is_code else "attribute"
            edges.append((f"{word} {key}", members[key]))
        label = make_label("class", len(cls.__bases__), *sorted(members))
        return DigestNode(label, edges)

    def _builtin(self, value: Any) -> DigestNode:
        owner = value.__self__
        named = self._in_library(value)
        if named:
            return named
        if owner is None or isinstance(owner, types.ModuleType):
            module = sys.modules.get(value.__module__ or "")
            file = getattr(module, "__file__", None)
            content = file_digest(file) if file else ""
            return node_of("compiled", value.__qualname__, content)
        return node_of("bound", value.__name__, parts=[owner])

    def is_foreign(self, module: Any) -> bool:
        """Whether code of a module counts by its name alone."""
        if not isinstance(module, str) or module in self._modules:
            return False
        top = module.partition(".")[0]
        return top not in self._packages and is_library(module)

    def _in_library(self, value: Any) -> DigestNode | None:
        """An object by its name, where it is a global of an installed module."""
        owner = getattr(value, "__self__", None)
        for module in (
            getattr(value, "__module__", None),
            type(value).__module__,
            type(owner).__module__,
        ):
            if isinstance(module, str) and self.is_foreign(module):
                if module not in self._known:
                    space = vars(sys.modules[module]) if module in sys.modules else {}
                    self._known[module] = {id(v): k for k, v in space.items()}
                name = self._known[module].get(id(value))
                if name is not None:
                    return node_of("library", module, name)
        return None

    def _generic(self, value: Any) -> DigestNode:
        kind = type(value)
        named = self._in_library(value)
        if named:
            return named
        if isinstance(value, functools._lru_cache_wrapper):
            maxsize, typed = value.cache_parameters().values()
            return node_of("cached", maxsize, typed, parts=[value.__wrapped__])
        foreign = self.is_foreign(kind.__module__)
        if foreign and callable(value) and hasattr(value, "__wrapped__"):
            return node_of("wrapper", parts=[kind, value.__wrapped__])
        opaque = replace(node_of("untold", parts=[kind]), opaque=True)
        if isinstance(value, (types.GeneratorType, types.CoroutineType)):
            return opaque
        try:
            parts = reduced(value)
            steady = kind.__module__.partition(".")[0] in _STEADY
            again = None if steady or not states_itself(kind) else reduced(value)
        except Exception:
            return opaque
        if isinstance(parts, str):
            return self._named(value, parts)
        twin = [] if again is None else _reduced_edges(value, again)
        return DigestNode(make_label("object"), _reduced_edges(value, parts), twin=twin)

    def _named(self, value: Any, name: str) -> DigestNode:
        """An object that is pickled by its name alone."""
        kind = type(value)
        try:
            state = object.__getstate__(value)
        except TypeError:
            state = None
        # Of an object of native code nothing else can be read.
        told = bool(kind.__flags__ & _HEAP_TYPE) or kind.__module__ == "typing"
        opaque = not told and not any(
            isinstance(module, types.ModuleType)
            and vars(module).get(name) is value
            and self.is_foreign(module.__name__)
            for module in list(sys.modules.values())
        )
        parts = (node_of("name", name), kind, state)
        label = make_label("object")
        return DigestNode(label, _reduced_edges(value, parts), opaque=opaque)


def _used(value: Any, names: frozenset[str] | None) -> Any:
    """The value; of a module only these names count."""
    return ModuleUse(value, names) if isinstance(value, types.ModuleType) else value


def _stands(code: types.FunctionType | type) -> bool:
    """Whether a function or a class is what its module has under its name."""
    first, *steps = code.__qualname__.split(".")
    found = vars(sys.modules.get(code.__module__, types)).get(first)
    for step in steps:
        found = getattr(found, step, None)
    return found is code


def _beside_members(cls: type) -> Edges:
    """What a class is pickled with that is not among its attributes, or not readable."""
    edges: Edges = []
    if isinstance(cls, abc.ABCMeta):
        classes = [reference() for reference in abc._get_dump(cls)[0]]  # type: ignore[attr-defined]
        if classes:
            node = node_of("registered", parts=classes)
            edges.append(("", replace(node, unordered=True)))
    fields = vars(cls).get("__dataclass_fields__", {})
    metadata = {name: dict(field.metadata) for name, field in fields.items()}
    if any(metadata.values()):
        edges.append(("metadata of its fields", metadata))
    if is_struct(cls):
        edges.append(("its fields", _struct_fields(cls)))
    return edges


def _struct_fields(cls: Any) -> list[Any]:
    """What msgspec has made of the fields of a struct, which the class does not show."""
    defaults = [getattr(value, "factory", value) for value in cls.__struct_defaults__]
    config = cls.__struct_config__
    options = {name: getattr(config, name) for name in dir(config) if name[0] != "_"}
    types_of = vars(cls).get("__annotations__", {})
    return [cls.__struct_encode_fields__, defaults, options, types_of]


def class_members(cls: type) -> dict[str, Any]:
    """The attributes that the body of a class has set, or somebody since."""
    members = {
        k: v
        for k, v in vars(cls).items()
        # Slots are known from __slots__; a class that was loaded has none.
        if k not in _CLASS_NOISE and not isinstance(v, types.MemberDescriptorType)
    }
    if issubclass(cls, enum.Enum):
        for name in (*_ENUM_NOISE, *cls.__members__):
            members.pop(name, None)
    if "__pydantic_fields__" in members:
        # The rest is made of these, some of it when it is first used.
        kept = ("__pydantic_fields__", "__pydantic_decorators__")
        members = {
            k: v
            for k, v in members.items()
            if not k.startswith("__pydantic_") or k in kept
        }
    return members


def _reduced_edges(value: Any, parts: Any) -> Edges:
    """The parts that pickling would write of an object."""
    make, arguments, *more = parts
    state, items, pairs, setter = [*more, None, None, None, None][:4]
    edges: Edges = [("", make), ("", arguments)]
    if isinstance(state, tuple) and len(state) == 2 and is_slots(state):
        if type(value).__module__.startswith("pydantic."):
            # It has the address of its class in it, and all globals of its module.
            state = tuple({**(s or {}), **_PYDANTIC_NOISE} for s in state)
        edges += [("", attributes_node("state", s or {}, "attribute")) for s in state]
    elif isinstance(state, dict) and all(type(k) is str for k in state):
        edges.append(("", attributes_node("state", state, "attribute")))
    else:
        edges.append(("", state))
    edges.append(("", None if items is None else list(items)))
    if pairs is None:
        edges.append(("", None))
    else:
        listed = [edge for key, item in pairs for edge in pair(key, item)]
        edges.append(("", DigestNode(make_label("items"), listed)))
    edges.append(("", setter))
    return edges
