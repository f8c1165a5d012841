"""Plain data, and how it counts."""

from __future__ import annotations

import functools
import textwrap
import types
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.kernels import (
    Kernel,
    dumps_graph,
    loads_graph,
    read_spec,
)
from beam_scanner.kernels.digests.digest import code_digest
from tests.support.any_values import anything, closing_over
from tests.support.fingerprinted import of


def test_data_that_is_changed_in_place_counts_as_it_is():
    source = """
        CALLS, FLAGS = [], {'fail': True}
        class op(Kernel):
            made = 0
            def execute(self, x: bytes) -> bytes:
                type(self).made += 1
                CALLS.append(x)
                if FLAGS['fail']: raise ValueError
                return x
    """
    space: dict[str, Any] = {"__name__": "users_module", "Kernel": Kernel}
    exec(textwrap.dedent(source), space)
    spec = read_spec(space["op"])
    digests = [spec.digest]
    assert loads_graph(dumps_graph(spec)).digest == spec.digest
    space["FLAGS"]["fail"] = False
    digests.append(spec.digest)
    space["CALLS"].append(b"")
    digests.append(spec.digest)
    space["op"].made += 1
    digests.append(spec.digest)
    assert len(set(digests)) == 4
    space["FLAGS"]["fail"] = True
    del space["CALLS"][:]
    space["op"].made = 0
    assert spec.digest == digests[0]


@given(anything, st.data())
@settings(deadline=None)
def test_every_leaf_counts(value: Any, data: Any) -> None:
    marked, places = _with_marks(value)
    if places:
        chosen = data.draw(st.sampled_from(places))
        before = of(marked)
        chosen.append(1)
        assert of(marked) != before
        chosen.pop()
        assert of(marked) == before


def _with_marks(value: Any) -> tuple[Any, list[list[int]]]:
    """The value with an empty list in every container that can be changed."""
    places: list[list[int]] = []

    def walk(value: Any) -> Any:
        place: list[int] = []
        if isinstance(value, list):
            places.append(place)
            return [place, *map(walk, value)]
        if isinstance(value, tuple):
            return tuple(map(walk, value))
        if isinstance(value, dict):
            places.append(place)
            return {**{k: walk(v) for k, v in value.items()}, "mark": place}
        if isinstance(value, types.SimpleNamespace):
            return types.SimpleNamespace(v=walk(value.v))
        if isinstance(value, types.FunctionType):
            return closing_over(walk(value.__closure__[0].cell_contents))
        if isinstance(value, functools.partial):
            return functools.partial(sorted, key=walk(value.keywords["key"]))
        return value

    return walk(value), places


def test_the_digest_of_a_list_is_not_that_of_its_parts() -> None:
    assert code_digest(1, 2, home="") != code_digest(12, home="")
