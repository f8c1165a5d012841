"""A run is fingerprinted by the values that it sends, whatever their kind."""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import re
import subprocess
import sys
import types
import uuid
import warnings
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.kernels import dumps_graph, read_spec
from beam_scanner.kernels.digests.digest import digest
from tests.support.any_values import Box, Color, anything
from tests.support.fingerprinted import kernel_over, of, users
from tests.support.folders import ROOT


class Model:
    """As models of installed packages are, but for where it is defined."""

    def __init__(self, *weights: float) -> None:
        self.weights = np.array(weights)
        self.name = "model"


class Slotted:
    __slots__ = ("a", "b")


class Table(dict[str, int]):
    pass


# --- changed in place -----------------------------------------------------------


def _set(target: Any, key: Any, value: Any) -> None:
    target[key] = value


CHANGES: dict[str, tuple[Any, Any]] = {
    "dict": (lambda: {"t": 0.5}, lambda v: _set(v, "t", 0.7)),
    "nested": (lambda: {"a": [{"t": 0.5}]}, lambda v: _set(v["a"][0], "t", 0.7)),
    "list": (lambda: [1, 2], lambda v: v.append(3)),
    "long list": (lambda: list(range(5000)), lambda v: _set(v, 4000, 0)),
    "long dict": (
        lambda: dict.fromkeys(range(5000), 1.0),
        lambda v: _set(v, 4000, 2.0),
    ),
    "set": (lambda: {1, 2}, lambda v: v.add(3)),
    "array": (lambda: np.zeros((4, 5)), lambda v: _set(v, (3, 4), 1)),
    "view": (lambda: np.zeros((4, 5))[:, ::2], lambda v: _set(v, (3, 1), 1)),
    "objects": (lambda: np.array([[1], {}], object), lambda v: v[0].append(2)),
    "records": (
        lambda: np.zeros(3, [("a", "i1"), ("b", "f8")]),
        lambda v: _set(v["b"], 1, 2),
    ),
    "frame": (
        lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        lambda v: v.__setitem__("b", ["x", "z"]),
    ),
    "frame index": (
        lambda: pd.DataFrame({"a": [1, 2]}),
        lambda v: setattr(v, "index", [5, 6]),
    ),
    "series": (lambda: pd.Series([1, 2]), lambda v: v.__setitem__(0, 5)),
    "categories": (
        lambda: pd.Series(["a", "b"], dtype="category"),
        lambda v: v.__setitem__(0, "b"),
    ),
    "instance": (lambda: Model(1, 2), lambda v: _set(v.weights, 0, 3)),
    "attribute": (lambda: Model(1, 2), lambda v: setattr(v, "name", "other")),
    "new attribute": (lambda: Model(1, 2), lambda v: setattr(v, "more", 1)),
    "slots": (Slotted, lambda v: setattr(v, "b", 1)),
    "dict subclass": (lambda: Table(a=1), lambda v: _set(v, "a", 2)),
    "counter": (lambda: collections.Counter("aab"), lambda v: v.update("b")),
    "default dict": (
        lambda: collections.defaultdict(int, a=1),
        lambda v: _set(v, "b", 1),
    ),
    "deque": (lambda: collections.deque([1]), lambda v: v.append(2)),
    "dataclass": (lambda: Box(1), lambda v: v.sides.append(1)),
    "not a field": (lambda: Box(1), lambda v: setattr(v, "extra", 1)),
    "generator": (
        lambda: np.random.default_rng(1),
        lambda v: v.random(),
    ),
    "namespace": (lambda: types.SimpleNamespace(a=1), lambda v: setattr(v, "a", 2)),
    "bytearray": (lambda: bytearray(b"ab"), lambda v: _set(v, 0, 0)),
    "memory": (lambda: memoryview(bytearray(b"ab")), lambda v: _set(v, 0, 0)),
    "function attribute": (
        lambda: users("def f(): return f.t\nf.t = 1")["f"],
        lambda v: setattr(v, "t", 2),
    ),
    "class attribute": (
        lambda: users("class C:\n t = {'a': 1}")["C"],
        lambda v: _set(v.t, "a", 2),
    ),
    "method": (
        lambda: users("class C:\n def m(self): return 1")["C"],
        lambda v: setattr(v, "m", lambda self: 2),
    ),
    "in a partial": (
        lambda: functools.partial(print, [1]),
        lambda v: v.args[0].append(2),
    ),
    "in a bound method": (lambda: Model(1).__eq__, None),
}


@pytest.mark.parametrize("kind", [k for k, v in CHANGES.items() if v[1]])
def test_what_is_changed_in_place_is_seen_and_seen_again_when_it_is_changed_back(
    kind: str,
) -> None:
    make, change = CHANGES[kind]
    value = make()
    kernel = read_spec(kernel_over(value))
    before = kernel.digest
    assert before == of(make())
    assert digest([("", kernel_over(value))], "users_module").opaque == ()
    change(value)
    assert kernel.digest != before
    assert of(make()) == before


def _dispatched(kind: str) -> Any:
    source = """
        import functools
        @functools.singledispatch
        def f(x): return 1
        @f.register
        def _(x: KIND): return 2
        """
    return users(source.replace("KIND", kind))["f"]


def two(make: Callable[[int], Any]) -> tuple[Any, Any]:
    return make(1), make(-1)


PAIRS: dict[str, tuple[Any, Any]] = {
    "pattern": (re.compile("a"), re.compile("b")),
    "flags": (re.compile("a"), re.compile("a", re.I)),
    "member": (Color.RED, Color.BLUE),
    "sign of zero": (0.0, -0.0),
    "kind of number": (1, 1.0),
    "truth": (1, True),
    "order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "text": ("ab", b"ab"),
    "nesting": ([[1], 2], [1, [2]]),
    "large numbers": (10**5000, 10**5000 + 1),
    "lone surrogates": ("\ud800", "\ud801"),
    "masks": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 1])),  # type: ignore[arg-type]
    "dtype": (np.zeros(2, "<f4"), np.zeros(2, ">f4")),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "cached functions": (
        functools.lru_cache(1)(lambda: 1),
        functools.lru_cache(1)(lambda: 2),
    ),
    "sizes of caches": (
        functools.lru_cache(1)(lambda: 1),
        functools.lru_cache(2)(lambda: 1),
    ),
    "partial": (functools.partial(sorted, key=len), functools.partial(sorted, key=str)),
    "libraries": (np.sum, np.mean),
    "classes": (pd.DataFrame, pd.Series),
    "modules": (os, sys),
    "references": (weakref.ref(Color.RED), weakref.ref(Color.BLUE)),
    "context variables": (ContextVar("a", default=1), ContextVar("a", default=2)),
    "dispatched": (_dispatched("int"), _dispatched("str")),
    "made models": two(lambda n: pydantic.create_model("M", a=(int, n))),
    "made data classes": two(
        lambda n: dataclasses.make_dataclass("D", [("a", int, n)])
    ),
    "metadata of fields": two(
        lambda n: dataclasses.make_dataclass(
            "D", [("a", int, dataclasses.field(metadata={"scale": n}))]
        )
    ),
    "order of patterns": two(
        lambda n: users(f"class C: __match_args__ = {('a', 'b')[::n]}")["C"]
    ),
    "registered classes": two(
        lambda n: users(
            f"import abc\nclass C(abc.ABC): pass\nC.register({'int' if n > 0 else 'str'})"
        )["C"]
    ),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_other_values_are_other_fingerprints(kind: str) -> None:
    one, other = PAIRS[kind]
    assert of(one) == of(one)
    assert of(one) != of(other)


# --- equal values -----------------------------------------------------------------


# --- what cannot be told -------------------------------------------------------------


class Restless:
    def __getstate__(self) -> dict[str, Any]:
        return {"id": uuid.uuid4().hex}


def test_a_run_warns_once_unless_there_is_a_version(tmp_path: Path) -> None:
    from beam_scanner import Client, NamedStream, PerfParams

    space = users(
        """
        def op(config, x: bytes) -> bytes: return VALUE and b''
        """,
        VALUE=Restless(),
    )
    from beam_scanner.kernels import register_python_op, registry

    options = ["--direct_running_mode=in_memory"]
    try:
        register_python_op(name="WarnsOnce")(space["op"])
        register_python_op(name="HasVersion", version="3")(space["op"])
        with Client(db_path=str(tmp_path), options=options) as sc:
            given = NamedStream(sc, "in")
            given.save([b"a"])

            def messages(name: str, out: str) -> list[str]:
                made = getattr(sc.ops, name)(x=sc.io.Input([given]))
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    output = sc.io.Output(made, [NamedStream(sc, out)])
                    sc.run(output, PerfParams.manual(2, 2), show_progress=False)
                return [str(w.message) for w in caught if "version=" in str(w.message)]

            assert messages("HasVersion", "a") == []
            (message,) = messages("WarnsOnce", "b")
            assert "global VALUE of the kernel of op WarnsOnce" in message
            assert "Restless" in message
            assert messages("WarnsOnce", "c") == []
    finally:
        registry().remove("WarnsOnce")
        registry().remove("HasVersion")


# --- any values ---------------------------------------------------------------------


OTHER = """
import sys
import tests.kernels.digests.test_fingerprints as t
from beam_scanner.kernels import loads_graph
print(*[t.of(v) for v in loads_graph(sys.stdin.buffer.read())])
"""


@pytest.mark.slow
@given(st.lists(anything, min_size=40, max_size=60))
@settings(max_examples=3, deadline=None)
def test_another_process_finds_the_same_of_equal_values(values: list[Any]) -> None:
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", OTHER],
            input=dumps_graph(values),
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert done.stdout.decode().split() == [of(value) for value in values]
