"""Packages whose names are imported when they are first used.

A package whose modules are slow to import lists its names twice: under ``TYPE_CHECKING``
as imports, for type checkers and editors, and here by module, for Python. A test
compares the lists.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str], submodules: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package needs to import its names when they are first used.

    Args:
        package: Its ``__name__``.
        modules: By full name of a module, its names, separated by spaces.
        submodules: Modules of the package that are attributes of it without having
            been imported, separated by spaces; ``__all__`` leaves them out.

    Returns:
        ``__getattr__``, ``__dir__`` and ``__all__`` of the package.

    Examples:
        >>> __getattr__, __dir__, __all__ = lazy_names('json', {'math': 'tau pi'})
        >>> __all__
        ['pi', 'tau']
        >>> __getattr__('e')
        Traceback (most recent call last):
        ...
        AttributeError: module 'json' has no attribute 'e'
    """
    homes = {
        name: module for module, names in modules.items() for name in names.split()
    }
    offered = submodules.split()

    def find(name: str) -> Any:
        if name in homes:
            value = getattr(import_module(homes[name]), name)
        elif name in offered:
            value = import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # From now on Python finds it without asking.
        setattr(sys.modules[package], name, value)
        return value

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes, *offered})

    return find, list_names, sorted(homes)
