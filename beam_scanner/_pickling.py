"""Carries graphs, with the users' kernels in them, to worker processes.

What a worker can import goes by name, everything else by value: kernels of
``__main__``, of notebook cells and functions, of modules loaded from a path, of test
modules, and whatever of the users' own code these refer to. So a worker needs no
registry, and none of the files that the driver was started from.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from beam_scanner._beam import import_beam
from beam_scanner._digest import is_library

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


def dumps_graph(obj: Any) -> bytes:
    """Pickles a graph, or anything with kernels in it.

    Args:
        obj: What to pickle.

    Returns:
        Bytes for :func:`loads_graph`, here or in a worker process.

    Example:
        >>> loads_graph(dumps_graph(lambda x: x + 1))(1)
        2
    """
    import_beam()
    from apache_beam.internal import cloudpickle_pickler

    modules = _users_modules()
    # Beam's own lock, since Beam, too, pickles and unpickles in other threads.
    with cloudpickle_pickler._pickle_lock, _by_value(modules):
        # The part of Beam's pickler that does not compress: it knows locks, flags
        # and protobuf descriptors.
        data: bytes = cloudpickle_pickler._dumps(obj)
        _keep_classes()
    return data


def loads_graph(data: bytes) -> Any:
    """What :func:`dumps_graph` pickled.

    Args:
        data: Its result, from a source that is trusted: unpickling runs code.
    """
    import_beam()
    from apache_beam.internal import cloudpickle_pickler

    return cloudpickle_pickler._loads(data)


_elsewhere: ContextVar[bool] = ContextVar("beam_scanner_elsewhere", default=False)


@contextmanager
def for_workers(elsewhere: bool) -> Iterator[None]:
    """While open, what is pickled is for such workers.

    Args:
        elsewhere: Whether they are not started here: they have what is installed, but
            not the folder of the program.
    """
    token = _elsewhere.set(elsewhere)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def _keep_classes() -> None:
    """Lets classes that were pickled here stay as they are when they are loaded here.

    Loading gives back the very class, but would set all its methods anew: copies
    that no longer see the globals of their module.
    """
    from apache_beam.internal.cloudpickle import cloudpickle

    for cls in list(cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS):
        cloudpickle._DYNAMIC_CLASS_STATE_TRACKER_BY_CLASS[cls] = True


@contextmanager
def _by_value(modules: list[ModuleType]) -> Iterator[None]:
    from apache_beam.internal.cloudpickle import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()
    mine = [module for module in modules if module.__name__ not in known]
    for module in mine:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in mine:
            cloudpickle.unregister_pickle_by_value(module)


def _users_modules() -> list[ModuleType]:
    """Loaded top-level modules and packages that a worker would not find.

    Those that are installed are not looked at: workers have them.
    """
    tops = {name.partition(".")[0] for name in list(sys.modules)} - {"__main__"}
    loaded = {name: sys.modules.get(name) for name in sorted(tops)}
    own = {
        name: module
        for name, module in loaded.items()
        if isinstance(module, ModuleType) and not is_library(name) and _places(module)
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
    except FileNotFoundError:
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
    found: dict[str, list[str | None]] = {}
    if names:
        try:
            # -c puts the working directory first on the path, as -m of workers does.
            done = subprocess.run(
                [sys.executable, "-c", _PROBE],
                input=json.dumps(names),
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            found = json.loads(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError):
            # By value is never wrong, only larger.
            found = {}
    return {name: [f for f in found.get(name, ()) if f] for name in names}
