"""Values of any kind, nested in any way, as arguments and globals of kernels hold them."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from typing import Any

import numpy as np
from hypothesis import strategies as st


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Box:
    left: int
    sides: list[int] = dataclasses.field(default_factory=list)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from(Color)
    | st.lists(st.integers(0, 9), max_size=3).map(lambda v: np.array(v, "i8"))
)


hashable = st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)


def closing_over(value: Any) -> Any:
    """A function that has a value in its closure."""

    def function(x: int = 1) -> Any:
        return [value, x]

    return function


anything = st.recursive(
    leaves | st.sets(hashable, max_size=4) | st.frozensets(hashable, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.builds(Box, st.integers(), st.lists(st.integers(), max_size=2))
        | inner.map(closing_over)
        | inner.map(lambda v: types.SimpleNamespace(v=v))
        | inner.map(lambda v: functools.partial(sorted, key=v))
    ),
    max_leaves=8,
)
