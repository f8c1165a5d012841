"""Only beam_internals touches names of Beam's that its documentation does not promise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "beam_scanner"
DOOR = "beam_internals"

PUBLIC_MODULES = {
    "apache_beam",
    "apache_beam.io.fileio",
    "apache_beam.io.filesystem",
    "apache_beam.io.filesystems",
    "apache_beam.metrics",
    "apache_beam.ml.inference.base",
    "apache_beam.options.pipeline_options",
    # Protocol buffers of the protocol that all of Beam's languages speak.
    "apache_beam.portability.api",
    "apache_beam.pvalue",
    "apache_beam.transforms.window",
    "apache_beam.typehints",
    "apache_beam.typehints.decorators",
    "apache_beam.typehints.native_type_compatibility",
    "apache_beam.typehints.typehints",
    "apache_beam.version",
    "apache_beam.yaml.yaml_errors",
}
"""What Beam's reference documents for users, without a note that it is internal."""

UNDOCUMENTED = {
    "alter_label_if_ipython",
    "fn",
    "inner_type",
    "producer",
    "resource_hints",
    "schema_id",
    "side_inputs",
    "tuple_types",
    "user_type",
}
"""Attributes without an underscore that Beam keeps for itself."""

NOT_BEAMS = {
    "_ActionsContainer",  # argparse
    "_actions",  # argparse
    "_asdict",  # named tuples
    "_replace",  # named tuples
    "_exit",  # os
    "_get_dump",  # abc
    "_getframe",  # sys
    "_lru_cache_wrapper",  # functools
    "_name",  # ctypes.CDLL
    "_run_exitfuncs",  # atexit
    "_shutdown",  # threading
}

OVERRIDDEN = {"_add_argparse_args"}
"""Names that Beam asks those who derive from its classes to define."""


def violations(code: str, own_names: set[str]) -> list[str]:
    """Names of Beam's that a module outside the door must not touch."""
    tree = ast.parse(code)
    found = []
    uses_beam = "apache_beam" in {name.partition(".")[0] for name in imported(tree)}
    for name in imported(tree):
        if name.partition(".")[0] == "apache_beam" and name not in PUBLIC_MODULES:
            found.append(f"imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            named = re.match(r"apache_beam\.\w", str(node.value))
            if named and node.value not in PUBLIC_MODULES:
                found.append(f"names {node.value!s}")
        elif isinstance(node, ast.Attribute):
            undocumented = uses_beam and node.attr in UNDOCUMENTED
            if undocumented or not is_allowed(node.attr, own_names):
                found.append(f"touches .{node.attr}")
        elif isinstance(node, ast.ClassDef):
            found += [
                f"overrides {each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef) and is_override(node, each)
            ]
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules that code imports, late or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # A module that is imported as a member of its package.
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if alias.name.islower() and is_module(full):
                    yield full


def is_module(name: str) -> bool:
    """Whether a name of Beam's is that of a module."""
    if not name.startswith("apache_beam."):
        return False
    import apache_beam

    path = Path(apache_beam.__file__).parent.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").exists()


def is_allowed(name: str, own_names: set[str]) -> bool:
    """Whether an attribute is public, or not Beam's."""
    private = name.startswith("_") and not name.startswith("__")
    return not private or name in own_names or name in NOT_BEAMS


def is_override(owner: ast.ClassDef, method: ast.FunctionDef) -> bool:
    """Whether a class of Beam's has a private method of this name."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    if not method.name.startswith("_") or method.name.startswith("__"):
        return False
    if method.name in OVERRIDDEN or not owner.bases:
        return False
    beams = (beam.PTransform, beam.DoFn, beam.coders.Coder, PipelineOptions)
    return any(hasattr(kind, method.name) for kind in beams)


def own_names(trees: list[ast.AST]) -> set[str]:
    """Attributes that the package itself defines: methods, fields, what ``self`` has."""
    found = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for each in ast.walk(node):
                    if isinstance(each, ast.FunctionDef):
                        found.add(each.name)
                    elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                        found.add(each.id)
            # Others may set what is Beam's.
            elif isinstance(node, ast.Attribute) and is_of_self(node):
                found.add(node.attr)
    return found


def is_of_self(node: ast.Attribute) -> bool:
    """Whether an object sets one of its own attributes."""
    owner = getattr(node.value, "id", "")
    return isinstance(node.ctx, ast.Store) and owner in ("self", "cls")


@pytest.mark.slow
def test_no_other_room_touches_what_beam_keeps_for_itself() -> None:
    paths = [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != DOOR
    ]
    codes = {path: path.read_text() for path in paths}
    own = own_names([ast.parse(code) for code in codes.values()])
    found = [
        f"{path.relative_to(PACKAGE)} {each}"
        for path, code in codes.items()
        for each in violations(code, own)
    ]
    assert found == [], "move it to a module of beam_internals"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("from apache_beam.internal import cloudpickle", "apache_beam.internal"),
        ("def f():\n  import apache_beam.runners.worker", "apache_beam.runners.worker"),
        ("from apache_beam.runners.portability import fn_api_runner", "portability"),
        ("from apache_beam.transforms import environments", "transforms.environments"),
        ("logger('apache_beam.runners.worker.data_plane')", "data_plane"),
        ("options._flags", "._flags"),
        ("pipeline._current_transform()", "._current_transform"),
        ("import apache_beam\nstreams.producer", ".producer"),
        ("import apache_beam\ntransform.fn.source = 1", ".fn"),
        ("import apache_beam\nstep.resource_hints = {}", ".resource_hints"),
        (
            "class T(PTransform):\n  def _extract_input_pvalues(self, x): pass",
            "_extract_input_pvalues",
        ),
    ],
)
def test_what_is_refused(code: str, told: str) -> None:
    assert any(told in each for each in violations(code, set()))


def test_every_topic_says_what_breaks_and_has_a_test() -> None:
    tests = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    for path in sorted((PACKAGE / DOOR).glob("*.py")):
        # Nothing of Beam's is in the latter, and its test is where it is used.
        if path.name in ("__init__.py", "overlapping.py"):
            continue
        assert f"test_{path.name}" in tests
        about = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "If Beam changes this" in about, path.name
