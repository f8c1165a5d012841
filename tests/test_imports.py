"""The layout of the package: rooms import downward, and what is heavy comes late.

A room is a folder of ``beam_scanner``. Imports inside functions count like all others;
those for type checkers alone do not.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "beam_scanner"

FLOORS = """
    text lazy
    errors
    protobufs rows beam_internals
    types stores
    kernels models notebook
    video ops
    storage
    graph
    planner
    engine
    elements
    run
    transforms
    scannerpy yaml
    apps exports
    cli
"""
"""From the bottom up. A module imports from its own room and from lower floors; rooms
of one floor do not know each other."""

ASIDE = {
    "runners": {"text", "errors", "beam_internals"},
    "clusters": {"text", "errors"},
}
"""Rooms that stand aside: any room may import them, they import only these."""

LANDING = {"__init__.py", "__init__.pyi", "__main__.py", "errors.py", "py.typed"}
"""All that lies beside the rooms."""

HEAVY: dict[str, set[str]] = {
    "apache_beam": {"beam_internals", "elements", "run", "runners", "transforms"}
    | {"scannerpy", "yaml", "cli", "models"},
    "av": {"video"},
    "cv2": set(),
    "duckdb": set(),
    "grpc": {"beam_internals", "runners"},
    "keras": set(),
    "lightkube": set(),
    "onnxruntime": set(),
    "pandas": set(),
    "sqlalchemy": set(),
    "tensorflow": set(),
    "torch": set(),
}
"""Who may import these when it is imported itself; others do so in a function."""

NAMESAKES = {
    "transforms": "beam_scanner.yaml.transforms is named in users' YAML files",
}
"""Base names that a module shares with a room or another room's module, and why."""


class Import(NamedTuple):
    """One import statement's name, and whether it is run with the module."""

    name: str
    late: bool


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> list[Import]:
    return list(_imports(ast.parse(modules()[module].read_text()), late=False))


def _imports(node: ast.AST, late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"write in full: {ast.unparse(child)}"
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                yield Import(full if full in modules() else str(child.module), late)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _imports(other, late)
        else:
            function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
            yield from _imports(child, late or isinstance(child, function))


def own_imports(module: str) -> set[str]:
    found = {each.name for each in imports(module)} - {module}
    return {name for name in found if name.split(".")[0] == PACKAGE.name}


def room(module: str) -> str:
    """'' for the package itself and its ``__main__``."""
    first = module.split(".")[1] if "." in module else ""
    return "" if first == "__main__" else first


def floors() -> dict[str, int]:
    lines = FLOORS.split("\n")
    return {name: floor for floor, line in enumerate(lines) for name in line.split()}


def test_every_room_has_a_floor() -> None:
    rooms = {room(module) for module in modules()} - {""}
    assert rooms == set(floors()) | set(ASIDE)


def test_imports_go_down() -> None:
    floor = floors()

    def goes_down(source: str, target: str) -> bool:
        if source in ("", target):
            return True
        if source in ASIDE:
            return target in ASIDE[source]
        return target in ASIDE or floor.get(target, len(floor)) < floor[source]

    wrong = [
        f"{module} imports {name}"
        for module in modules()
        for name in own_imports(module)
        if not goes_down(room(module), room(name))
    ]
    assert not wrong


def test_no_circles() -> None:
    try:
        TopologicalSorter({m: own_imports(m) for m in modules()}).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_what_is_heavy_is_imported_late() -> None:
    wrong = [
        f"{module} imports {name} when it is itself imported"
        for module in modules()
        for name, late in imports(module)
        if not late
        and room(module) not in HEAVY.get(name.split(".")[0], {room(module)})
    ]
    assert not wrong


def test_nothing_else_lies_beside_the_rooms() -> None:
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == LANDING


def test_a_base_name_says_which_module_is_meant() -> None:
    rooms = defaultdict(set)
    for module in modules():
        # Modules of scannerpy are called as Scanner's are.
        if room(module) != "scannerpy":
            rooms[module.rpartition(".")[2]].add(room(module))
    shared = {name for name, places in rooms.items() if len(places - {""}) > 1}
    assert shared == set(NAMESAKES)


def test_files_stay_short() -> None:
    lengths = {
        module: len(path.read_text().splitlines()) for module, path in modules().items()
    }
    assert not {module: lines for module, lines in lengths.items() if lines >= 600}
