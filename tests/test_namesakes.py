"""Each module of the package has a file of tests that is called like it."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.support.folders import ROOT

PACKAGE = ROOT / "beam_scanner"


def namesake(module: Path) -> Path:
    """The file of tests of a module, as a path below ``tests/``."""
    return module.parent / f"test_{module.stem.lstrip('_')}.py"


def hands_on(module: Path) -> bool:
    """Whether a module only hands on what others define."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return not any(
        isinstance(node, kinds) for node in ast.walk(ast.parse(module.read_text()))
    )


def test_each_module_has_a_namesake() -> None:
    modules = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py") and not hands_on(path)
    }
    assert len(modules) > 100
    without = {
        m.as_posix() for m in modules if not (ROOT / "tests" / namesake(m)).is_file()
    }
    assert sorted(without) == []
