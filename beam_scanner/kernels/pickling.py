"""Carries graphs, with the users' kernels in them, to worker processes.

Modules that a worker can import go by name, everything else by value: kernels of
``__main__``, of notebook cells and functions, of modules loaded from a path, of test
modules, and whatever of the users' own code these refer to. So a worker needs no
registry, and none of the files that the driver was started from.
"""

from __future__ import annotations

import functools
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType, ModuleType
from typing import Any, ClassVar

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.kernels.digests.digest import type_name
from beam_scanner.kernels.digests.installed_code import is_library
from beam_scanner.kernels.digests.module_members import (
    Place,
    has_content,
    member_digest,
    members_used,
)
from beam_scanner.kernels.digests.pickle_reduction import cached_once, reduce_own
from beam_scanner.kernels.module_values import (
    ModuleData,
    apply_values,
    members_to_send,
    module_values,
    this_process,
)
from beam_scanner.kernels.new_process import ask_new_process

# Prints where a new interpreter, started as Beam starts its workers, finds modules.
_PROBE = """
import importlib.util, json, sys
found = {}
for name in json.load(sys.stdin):
    spec = importlib.util.find_spec(name)
    if spec:
        found[name] = [spec.origin, *(spec.submodule_search_locations or ())]
json.dump(found, sys.stdout)
"""


class KeepsValues:
    """Takes the values of modules along that it came with, wherever it is sent on."""

    values: ClassVar[ModuleData | None] = None


_before: list[Callable[[], None]] = []


def before_loading(function: Callable[[], None]) -> None:
    """Has a function called wherever a graph that is pickled from now on is loaded.

    It is called before anything of the graph is imported. Graphs that are pickled there
    do the same.

    Args:
        function: Found by its name; calling it twice must be harmless.
    """
    if function not in _before:
        _before.append(function)


class _Before:
    """Precedes a graph: what is to be done before it is loaded."""

    def __init__(self, functions: list[Callable[[], None]]) -> None:
        self.functions = functions

    def call(self) -> None:
        """Does it."""
        for function in self.functions:
            function()


def _load(unpickler: Callable[[], pickle.Unpickler]) -> Any:
    """What comes next in a file, after what is to be done before."""
    found = unpickler().load()
    while isinstance(found, _Before):
        found.call()
        # Each pickle needs its own, since it numbers its objects from 0.
        found = unpickler().load()
    return found


def dumps_graph(obj: Any) -> bytes:
    """Pickles a graph, or anything with kernels in it.

    Args:
        obj: What to pickle.

    Returns:
        Bytes for ``loads_graph``, here or in a worker process.

    Examples:
        >>> loads_graph(dumps_graph(lambda x: x + 1))(1)
        2
    """
    return _dump(obj, with_values=not _here.get())


def _dump(obj: Any, with_values: bool) -> bytes:
    import_beam()
    from beam_scanner.beam_internals import pickler as beams

    modules = _users_modules()
    # Beam's own lock, since Beam, too, pickles and unpickles in other threads.
    with beams.pickling_lock, beams.modules_by_value(modules):
        file = io.BytesIO()
        if _before:
            _pickled(_Before(list(_before)), file)
        pickler = _pickled(obj, file)
        if with_values and not (isinstance(obj, KeepsValues) and obj.values):
            values = _module_data(pickler)
            if values is not None:
                _pickled(values, file)
        beams.keep_pickled_classes()
    return file.getvalue()


def _pickled(obj: Any, file: Any) -> Any:
    """Pickles into a file; returns the pickler, which knows what it has met."""
    pickler = _pickler_class()(file)
    pickler.dump(obj)
    return pickler


def _module_data(pickler: Any) -> ModuleData | None:
    """Values that code of modules finds there, when its pickle names it."""
    modules = dict(pickler.modules)
    sizes: dict[Place, int] = {}

    def code_in(place: Place, value: Any) -> list[Any]:
        counting = _Counting()
        try:
            inside = _pickled(value, counting)
        except Exception:
            # Its class is code all the same.
            return [type(value)]
        sizes[place] = counting.size
        modules.update(inside.modules)
        return list(inside.code)

    members = members_used(pickler.code, _is_sent, code_in)
    modules.update((name, sys.modules[name]) for name, _ in members)
    plain = module_values(_with_imports(modules))
    others = {
        place: value
        for place, value in members.items()
        if place[1] not in plain.get(place[0], {})
        and (place in sizes or has_content(value))
    }
    if not plain and not others:
        return None
    digests = {place: member_digest(value) for place, value in others.items()}
    sent = members_to_send(digests, {p: sizes[p] for p in others if p in sizes})
    data = _bytes_of({place: others[place] for place in sent})
    if not _loads(data):
        sent = {place for place in sent if _loads(_bytes_of(others[place]))}
        data = _bytes_of({place: others[place] for place in sent})
    return ModuleData(
        this_process(),
        plain,
        {p: (digests[p], type_name(type(value))) for p, value in others.items()},
        frozenset(sent),
        data,
    )


def _bytes_of(value: Any) -> bytes:
    file = io.BytesIO()
    _pickled(value, file)
    return file.getvalue()


def _loads(data: bytes) -> bool:
    """Whether a worker can load a pickle, as far as this process can tell."""
    try:
        with cached_once():
            pickle.loads(data)
    except Exception:
        return False
    return True


class _Counting:
    """A file that keeps nothing."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> int:
        """Counts bytes."""
        size = memoryview(data).nbytes
        self.size += size
        return size


def loads_graph(data: bytes) -> Any:
    """What ``dumps_graph`` pickled.

    Args:
        data: Its result, from a source that is trusted: unpickling runs code.
    """
    import_beam()
    from beam_scanner.beam_internals.pickler import pickling_lock

    with pickling_lock, cached_once():
        file = io.BytesIO(data)
        found = _load(lambda: pickle.Unpickler(file))
        values: ModuleData | None = None
        keeps = isinstance(found, KeepsValues)
        if file.tell() < len(data):
            values = pickle.load(file)
            if keeps:
                object.__setattr__(found, "values", values)
        elif keeps:
            values = found.values
        if values is not None:
            apply_values(values)
        return found


def check_loads(obj: Any, surely: bool = True) -> None:
    """Pickles and loads something, as ``dumps_graph`` and a worker will.

    Args:
        obj: What to pickle.
        surely: Whether to ask a new process before anything is refused: a second copy
            may be what this process alone does not take.

    Raises:
        Exception: Whatever pickling raises, or a worker would raise, which has neither
            the program's main module nor the modules that went by value.
    """
    import_beam()
    from beam_scanner.beam_internals.pickler import pickling_lock

    data = _dump(obj, with_values=False)
    absent = {"__main__", *(module.__name__ for module in _users_modules())}
    with pickling_lock, cached_once():
        try:
            file = io.BytesIO(data)
            _load(lambda: _WorkersUnpickler(file, absent))
        except pickle.UnpicklingError:
            raise
        except Exception:
            if not surely or not _loads_in_new_process(data):
                raise


class _WorkersUnpickler(pickle.Unpickler):
    """Finds only what workers find.

    Args:
        file: The pickle.
        absent: Modules, with all that is in them, that workers do not have.
    """

    def __init__(self, file: io.BytesIO, absent: Collection[str]) -> None:
        super().__init__(file)
        self._absent = absent

    def find_class(self, module: str, name: str) -> Any:
        if module in self._absent or module.partition(".")[0] in self._absent:
            raise pickle.UnpicklingError(
                f"it is pickled as {module}.{name}, and workers have no {module}"
            )
        return super().find_class(module, name)


def _loads_in_new_process(data: bytes) -> bool:
    code = (
        "import sys; from beam_scanner.kernels.pickling import loads_graph; "
        "loads_graph(sys.stdin.buffer.read())"
    )
    try:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, input=data, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


@functools.cache
def _pickler_class() -> Any:
    from beam_scanner.beam_internals import pickler as beams

    class GraphPickler(beams.BeamPickler):
        def __init__(self, file: io.BytesIO) -> None:
            super().__init__(file)
            self.modules: dict[str, ModuleType] = {}
            self.code: list[Any] = []

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, (FunctionType, type, ModuleType)):
                self._note(obj)
            found = reduce_own(obj, beams.is_importable)
            if found is not NotImplemented:
                # Where an object goes by its place, its class is not pickled.
                self._note(type(obj))
                return found
            return super().reducer_override(obj)

        def _note(self, obj: Any) -> None:
            """Remembers code of the user's, and modules whose names go in its place."""
            is_module = isinstance(obj, ModuleType)
            name = obj.__name__ if is_module else obj.__module__
            if not isinstance(name, str) or is_library(name):
                return
            if not is_module:
                self.code.append(obj)
            module = sys.modules.get(name)
            if module is None or name in self.modules or not _is_own(module):
                return
            if beams.is_pickled_by_name(obj):
                self.modules[name] = module

    return GraphPickler


def _is_own(module: Any) -> bool:
    """Whether a module is the user's."""
    return isinstance(module, ModuleType) and not (
        module.__name__ == "__main__" or is_library(module.__name__)
    )


def _is_sent(module: ModuleType) -> bool:
    """Whether functions of a module are pickled by value."""
    from beam_scanner.beam_internals.pickler import is_by_value

    name = module.__name__
    return name == "__main__" or name not in sys.modules or is_by_value(module)


def _with_imports(modules: dict[str, ModuleType]) -> list[ModuleType]:
    """Modules, and those of the user's own that they have imported from."""
    found = dict(modules)
    waiting = list(modules.values())
    while waiting:
        for value in list(vars(waiting.pop()).values()):
            if not isinstance(value, (FunctionType, type, ModuleType)):
                continue
            is_module = isinstance(value, ModuleType)
            name = value.__name__ if is_module else value.__module__
            module = sys.modules.get(name) if isinstance(name, str) else None
            if name not in found and module is not None and _is_own(module):
                found[module.__name__] = module
                waiting.append(module)
    return list(found.values())


_elsewhere: ContextVar[bool] = ContextVar("beam_scanner_elsewhere", default=False)


_here: ContextVar[bool] = ContextVar("beam_scanner_here", default=False)


@contextmanager
def for_workers(elsewhere: bool, here: bool = False) -> Iterator[None]:
    """While open, graphs are pickled for such workers.

    Args:
        elsewhere: Whether they run elsewhere: with the installed packages, but without
            the folder of the program.
        here: Whether there are none: this very process runs the kernels.
    """
    tokens = _elsewhere.set(elsewhere), _here.set(here)
    try:
        yield
    finally:
        _elsewhere.reset(tokens[0])
        _here.reset(tokens[1])


def _users_modules() -> list[ModuleType]:
    """Loaded top-level modules and packages that a worker would not find.

    Those that are installed are not looked at: workers have them.
    """
    tops = {name.partition(".")[0] for name in list(sys.modules)} - {"__main__"}
    loaded = {name: sys.modules.get(name) for name in sorted(tops)}
    own = {
        name: module
        for name, module in loaded.items()
        if isinstance(module, ModuleType)
        # A module may be known under other names, too.
        and not is_library(name)
        and not is_library(module.__name__)
        and _places(module)
    }
    if _elsewhere.get():
        return list(own.values())
    folder = _working_folder()
    found = _found_by_workers(tuple(own), folder, os.environ.get("PYTHONPATH"))
    return [
        module
        for name, module in own.items()
        if not _places(module) & {os.path.realpath(f) for f in found[name]}
    ]


def _working_folder() -> str:
    """Where this process works; empty if that was removed, which hurts no kernel."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _places(module: ModuleType) -> set[str]:
    """The file, or folders, that a module was loaded from."""
    file = getattr(module, "__file__", None)
    files = [file] if file else list(getattr(module, "__path__", ()))
    return {os.path.realpath(f) for f in files}


@functools.lru_cache(maxsize=64)
def _found_by_workers(
    names: tuple[str, ...], folder: str, path: str | None
) -> dict[str, list[str]]:
    """The files and folders that a worker would import each module from.

    Args:
        names: Of top-level modules.
        folder: The working directory, which workers start in.
        path: ``PYTHONPATH``, which they inherit.
    """
    # Sending a module by value is never wrong, only larger.
    found = (ask_new_process(_PROBE, names, 60) if names else None) or {}
    return {name: [f for f in found.get(name, ()) if f] for name in names}
