"""Whether code is installed (workers have it, and it counts by name) or the user's."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import site
import sys
import sysconfig


@functools.cache
def library_folders() -> tuple[str, ...]:
    """Folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    found = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple({os.path.join(os.path.realpath(path), "") for path in found})


def is_library(module: str) -> bool:
    """Whether a module is installed, rather than the user's own code.

    Installed is what lies among the packages of the environment, or was installed
    into another folder of the path (``pip install --target``). An editable install is
    the user's own code.

    Examples:
        >>> is_library('json.decoder'), is_library('numpy'), is_library('__main__')
        (True, True, False)
    """
    loaded = sys.modules.get(module)
    # It may be known under another name, too.
    top = str(getattr(loaded, "__name__", module)).partition(".")[0]
    if "__main__" in (top, module):
        return False
    if top == "beam_scanner" or top in sys.stdlib_module_names:
        return True
    if loaded is None:
        return False
    file = getattr(loaded, "__file__", None)
    if not isinstance(file, str):
        return top in sys.builtin_module_names
    return _in_library(file, module)


def is_installed_file(file: str) -> bool:
    """Whether a file lies in the standard library or among installed packages."""
    return os.path.realpath(file).startswith(library_folders())


@functools.lru_cache(maxsize=4096)
def _in_library(file: str, module: str) -> bool:
    if is_installed_file(file):
        return True
    real = os.path.realpath(file)
    # The folder that the top-level package or module lies in.
    depth = module.count(".") + (os.path.basename(real).startswith("__init__."))
    root = real
    for _ in range(depth + 1):
        root = os.path.dirname(root)
    return os.path.relpath(real, root).replace(os.sep, "/") in _installed_into(root)


@functools.lru_cache(maxsize=64)
def _installed_into(folder: str) -> frozenset[str]:
    """Files below a folder that an installer put there, as it has written down."""
    found: set[str] = set()
    try:
        for dist in importlib.metadata.distributions(path=[folder]):
            # Only what was installed has a record; a checkout has none.
            if dist.read_text("RECORD"):
                found.update(file.as_posix() for file in dist.files or ())
    except (OSError, ValueError):
        return frozenset()
    return frozenset(found)
