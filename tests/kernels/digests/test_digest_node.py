"""Labels tell any two sequences apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.kernels.digests.digest_node import ModuleUse, content_hash, make_label


@given(st.lists(st.text()), st.lists(st.text()))
def test_other_sequences_have_other_labels(one: list[str], other: list[str]) -> None:
    assert (make_label(*one) == make_label(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "b"), ("ab",)), (("a", ""), ("a",)), (("1:a",), ("a",)), ((), ("",))],
)
def test_parts_do_not_run_together(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert make_label(*one) != make_label(*other)


def test_surrogates_have_labels_too() -> None:
    assert make_label("\udc80") != make_label("\udc81")


def test_content_is_that_of_the_buffer() -> None:
    data = np.arange(100, dtype=np.int32)
    assert (
        content_hash(data)
        == content_hash(data.tobytes())
        == content_hash(bytearray(data))
    )
    data[7] += 1
    assert content_hash(data) != content_hash(np.arange(100, dtype=np.int32))
    assert len(content_hash(b"")) == 16


def test_uses_of_one_module_are_equal_by_their_names() -> None:
    some = ModuleUse(math, frozenset({"pi"}))
    assert some.key == ModuleUse(math, frozenset({"pi"})).key
    assert some.key != ModuleUse(math, None).key
    assert some.key != ModuleUse(np, frozenset({"pi"})).key
