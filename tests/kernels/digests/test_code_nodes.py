"""What code uses, and what of it says what it does."""

from __future__ import annotations

import textwrap
import types
from typing import Any

import pytest

from beam_scanner.kernels.digests.code_nodes import (
    EMPTY_CELL,
    absolute_name,
    cell_value,
    code_node,
    names_used,
    source_node,
)
from beam_scanner.kernels.digests.digest_node import make_label


def code_of(source: str) -> types.CodeType:
    space: dict[str, Any] = {}
    exec(textwrap.dedent(source), space)
    found: types.CodeType = space["f"].__code__
    return found


def told(source: str) -> tuple[bytes, list[Any]]:
    node = code_node(code_of(source))
    return node.label, [value for _, value in node.edges]


def test_names_of_code_inside_of_code_count() -> None:
    used = names_used(
        code_of(
            """
            def f():
                import os.path
                from ..near import thing
                return [g(x.weight) for x in LIST] + (lambda: h)()
            """
        )
    )
    assert used.globals >= {"LIST", "g", "h"}
    assert used.attributes is not None
    assert {"weight", "thing"} <= used.attributes
    assert {(name, level) for name, level, _ in used.imports} == {
        ("os.path", 0),
        ("near", 2),
    }


@pytest.mark.parametrize("text", ["getattr(x, n)", "vars(x)", "x.__dict__[n]"])
def test_computed_names_may_be_any(text: str) -> None:
    assert names_used(code_of(f"def f(x, n): return {text}")).attributes is None


@pytest.mark.parametrize("text", ["globals()['LIMIT']", "eval('x + LIMIT')"])
def test_globals_may_be_named_in_text(text: str) -> None:
    assert "LIMIT" in names_used(code_of(f"def f(x): return {text}")).globals


def test_docstrings_lines_and_comments_say_nothing() -> None:
    plain = told("def f(x):\n    return x + 1")
    assert told("def f(x):\n    # why\n\n\n    return x + 1") == plain
    one = told("def f(x):\n    'One.'\n    return x + 1")
    assert one == told("def f(x):\n    'Another.'\n    return x + 1")


@pytest.mark.parametrize(
    "other",
    [
        "def f(x): return x + 2",
        "def f(x): return x - 1",
        "def f(y): return y + 1",
        "def f(x, *, y=1): return x + 1",
        "def f(x): return x.a + 1",
        "def f(x):\n    try: return x + 1\n    except ValueError: pass",
    ],
)
def test_what_code_does_counts(other: str) -> None:
    assert told(other) != told("def f(x): return x + 1")


def test_empty_cells() -> None:
    assert cell_value(types.CellType(3)) == 3
    assert cell_value(types.CellType()) is EMPTY_CELL


@pytest.mark.parametrize(
    ("name", "level", "package", "wanted"),
    [
        ("a.b", 0, "x.y", "a.b"),
        ("a", 1, "x.y", "x.y.a"),
        ("a", 2, "x.y", "x.a"),
        ("a", 3, "x.y", ""),
        ("a", 1, None, ""),
    ],
)
def test_relative_imports(name: str, level: int, package: Any, wanted: str) -> None:
    assert absolute_name(name, level, {"__package__": package}) == wanted
    assert absolute_name("a", 1, {}) == ""


def test_the_source_of_a_module(tmp_path: Any) -> None:
    file = tmp_path / "m.py"
    file.write_text("x = 1\n")
    before = source_node(str(file))
    file.write_text("# why\nx = 1\n")
    assert source_node(str(file)).co_code == before.co_code
    file.write_text("x = 2\n")
    assert source_node(str(file)).co_consts != before.co_consts


def test_a_source_that_cannot_be_compiled_is_told_from_any_that_can(
    tmp_path: Any,
) -> None:
    (tmp_path / "m.py").write_text("1 +\n")
    for name in ("m.py", "none.py"):
        assert source_node(str(tmp_path / name)).label.startswith(make_label("source"))
