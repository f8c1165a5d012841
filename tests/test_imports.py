"""Imports go one way, and what is heavy or optional is imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.folders import ROOT

PACKAGE = ROOT / "beam_scanner"

LAYERS: list[dict[str, str]] = [
    {"errors": "_error_text _patterns _printable errors"},
    {
        "base": "_array_codecs _beam _code_parts _data_parts _digest _files _installed "
        "_parts _reading _reducing _regular _images _limits _element_codecs "
        "_scalar_codecs protobufs types "
        "rows sampling gops",
        "buckets": "buckets",
    },
    {
        "kernels": "_module_members _new_process _module_values _opspec _pickling _registry _signature kernels",
        "video": "video",
    },
    {"storage": "storage"},
    {"graph": "graph"},
    {"planner": "planner"},
    {
        "engine": "engine",
        "ops": "ops",
        "builder": "_arguments _op_call _structure _streams builder",
        "jobs": "jobs",
    },
    {"transforms": "transforms"},
]
"""From the bottom up. A module may import its own group and those of lower layers;
groups of one layer do not know each other. What is not named here is the top."""

OWN = {"runners": {"errors", "runners"}}
"""Groups that stand aside: all that they may import."""

HEAVY = {
    "tensorflow": set(),
    "cv2": set(),
    "av": {"video"},
    "apache_beam": {"base", "kernels", "transforms", "runners", "top"},
    "pandas": set(),
    "duckdb": set(),
}
"""Groups that may import these when they are themselves imported."""


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def group(module: str) -> tuple[int, str]:
    """Layer and group of a module."""
    top = module.split(".")[1] if "." in module else ""
    if top in OWN:
        return -1, top
    for level, groups in enumerate(LAYERS):
        for name, members in groups.items():
            if top in members.split():
                return level, name
    return len(LAYERS), "top"


def statements(node: ast.AST, late: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Every import that is ever run, and whether only when a function is called."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, late
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from statements(other, late)
        else:
            is_function = isinstance(
                child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
            )
            yield from statements(child, late or is_function)


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """Names of imported modules, and whether the import is late."""
    for statement, late in statements(ast.parse(MODULES[module].read_text())):
        if isinstance(statement, ast.Import):
            yield from ((alias.name, late) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{module}: write imports in full"
            base = statement.module or ""
            for alias in statement.names:
                full = f"{base}.{alias.name}"
                yield (full if full in MODULES else base), late


def own_imports(module: str) -> Iterator[tuple[str, bool]]:
    for name, late in imports(module):
        if name.split(".")[0] == PACKAGE.name:
            yield name, late


@pytest.mark.parametrize("module", list(MODULES))
def test_a_module_imports_only_what_is_below_it(module: str) -> None:
    level, name = group(module)
    for imported, _ in own_imports(module):
        below, other = group(imported)
        if name in OWN:
            assert other in OWN[name], f"{module} imports {imported}"
        elif other not in OWN:
            assert name == other or below < level, (
                f"{module} ({name}) imports {imported} ({other}), which is not below it"
            )


@pytest.mark.parametrize("module", list(MODULES))
def test_who_imports_what_is_heavy(module: str) -> None:
    _, name = group(module)
    for imported, late in imports(module):
        allowed = HEAVY.get(imported.split(".")[0])
        if allowed is not None and not late:
            assert name in allowed, (
                f"{module} imports {imported} when it is itself imported"
            )


def test_no_cycles() -> None:
    graph = {
        module: sorted({name for name, late in own_imports(module) if not late})
        for module in MODULES
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for imported in graph[module]:
                visit(imported, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", list(MODULES))
def test_a_file_fits_in_a_head(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) < 600


def test_every_layer_is_there() -> None:
    tops = {module.split(".")[1] for module in MODULES if "." in module}
    for groups in LAYERS:
        for members in groups.values():
            assert set(members.split()) <= tops


def loaded(program: str) -> set[str]:
    program += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    found = loaded("import beam_scanner")
    assert "beam_scanner" in found
    assert not found & {"tensorflow", "torch", "cv2", "duckdb", "matplotlib"}


def test_every_op_can_be_named_without_opencv() -> None:
    found = loaded("import beam_scanner, beam_scanner.ops")
    assert "cv2" not in found
