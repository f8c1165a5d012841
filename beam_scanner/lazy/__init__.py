"""Packages whose names are imported when they are first used.

A package whose modules are slow to import lists its names once, as the imports of
``__init__.pyi``: type checkers and editors read that file, and so does Python, here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def lazy_names(
    package: str,
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package needs to import the names of its stub when they are first used.

    Args:
        package: Its ``__name__``. Beside its ``__init__.py`` is an ``__init__.pyi``,
            which imports the names from the modules that have them.

    Returns:
        ``__getattr__``, ``__dir__`` and ``__all__`` of the package. ``__all__`` leaves
        out modules of the package, which are attributes of it all the same.

    Examples:
        >>> __getattr__, __dir__, __all__ = lazy_names('beam_scanner.video')
        >>> __all__
        ['VideoReader', 'open']
        >>> __getattr__('close')
        Traceback (most recent call last):
        ...
        AttributeError: module 'beam_scanner.video' has no attribute 'close'
    """
    module = sys.modules[package]
    stub = Path(str(module.__file__)).with_suffix(".pyi").read_text(encoding="utf-8")
    # What the stub needs for its own annotations is none of the package's names.
    ours = package.partition(".")[0]
    homes = {
        alias.name: str(statement.module)
        for statement in ast.parse(stub).body
        if isinstance(statement, ast.ImportFrom)
        and str(statement.module).partition(".")[0] == ours
        for alias in statement.names
        if alias.name != "*"
    }

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if home == package:
            return import_module(f"{package}.{name}")
        # From now on Python finds it without asking.
        value = getattr(import_module(home), name)
        setattr(module, name, value)
        return value

    def list_names() -> list[str]:
        return sorted({*vars(module), *homes})

    return find, list_names, sorted(n for n, home in homes.items() if home != package)
