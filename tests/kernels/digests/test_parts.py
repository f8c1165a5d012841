"""Labels tell any two sequences apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.kernels.digests.parts import ModuleUse, content, label


@given(st.lists(st.text()), st.lists(st.text()))
def test_other_sequences_have_other_labels(one: list[str], other: list[str]) -> None:
    assert (label(*one) == label(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "b"), ("ab",)), (("a", ""), ("a",)), (("1:a",), ("a",)), ((), ("",))],
)
def test_parts_do_not_run_together(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert label(*one) != label(*other)


def test_surrogates_have_labels_too() -> None:
    assert label("\udc80") != label("\udc81")


def test_content_is_that_of_the_buffer() -> None:
    data = np.arange(100, dtype=np.int32)
    assert content(data) == content(data.tobytes()) == content(bytearray(data))
    data[7] += 1
    assert content(data) != content(np.arange(100, dtype=np.int32))
    assert len(content(b"")) == 16


def test_uses_of_one_module_are_equal_by_their_names() -> None:
    some = ModuleUse(math, frozenset({"pi"}))
    assert some.key == ModuleUse(math, frozenset({"pi"})).key
    assert some.key != ModuleUse(math, None).key
    assert some.key != ModuleUse(np, frozenset({"pi"})).key
