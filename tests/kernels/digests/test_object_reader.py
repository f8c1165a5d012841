"""Objects of any kind, taken apart."""

from __future__ import annotations

import pickle
import types
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest

from beam_scanner.kernels.digests.digest import digest
from tests.support.fingerprinted import kernel_over, of


def test_sharing_order_of_sets_and_of_attributes_say_nothing() -> None:
    inner = [1, np.zeros(2)]
    assert of([inner, inner]) == of([inner, [1, np.zeros(2)]])
    assert of({"b", "a"}) == of({"a", "b"})
    one, other = types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)
    assert of(one) == of(other)
    frame = pd.DataFrame({"a": [1, 2]})
    frame["b"] = [3, 4]  # lies in memory in two pieces
    assert of(frame) == of(pd.DataFrame({"a": [1, 2], "b": [3, 4]}))


def test_cycles_end_and_differ() -> None:
    def ring(*values: int) -> list[Any]:
        nodes: list[Any] = [[value] for value in values]
        for node, following in zip(nodes, nodes[1:] + nodes[:1], strict=True):
            node.append(following)
        return nodes[0]

    assert of(ring(1, 2, 3)) == of(ring(1, 2, 3))
    assert of(ring(1, 2, 3)) == of(pickle.loads(pickle.dumps(ring(1, 2, 3))))
    assert len({of(ring(*r)) for r in [(1, 2, 3), (1, 3, 2), (2, 3, 1), (1, 1)]}) == 4


class ByName:
    """Goes by its name, as sentinels do."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self) -> str:
        return "ONE"


def test_what_goes_by_its_name_counts_with_its_state() -> None:
    assert of(ByName(1)) == of(ByName(1)) != of(ByName(2))


def test_names_of_installed_functions_say_enough() -> None:
    special = pytest.importorskip("scipy.special")
    expit, erf = (kernel_over(f) for f in (special.expit, special.erf))
    assert digest([("", expit)], "").opaque == ()
    assert digest([("", expit)], "").text != digest([("", erf)], "").text


def test_many_shared_objects_take_no_long_time() -> None:
    value: Any = [1]
    for _ in range(200):
        value = [value, value]
    assert of(value) == of(value)


class Restless:
    def __getstate__(self) -> dict[str, Any]:
        return {"id": uuid.uuid4().hex}


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: (i for i in ()), "generator"),
        (lambda: __import__("socket").socket(), "socket.socket"),
        (lambda: __import__("threading").local(), "_thread._local"),
        (Restless, f"{__name__}.Restless"),
        (lambda: np.frompyfunc(len, 1, 1), "numpy.ufunc"),
        (lambda: {"deep": [Restless()]}, f"{__name__}.Restless"),
    ],
)
def test_what_cannot_be_told_is_named(make: Any, name: str) -> None:
    found = digest([("the kernel", kernel_over(make()))], "users_module")
    assert found.opaque[0].endswith(f"global VALUE of the kernel ({name})") or (
        "item 'deep' of global VALUE" in found.opaque[0] and name in found.opaque[0]
    )
    again = digest([("the kernel", kernel_over(make()))], "users_module")
    assert again.text == found.text


def test_fields_of_structs_count() -> None:
    msgspec = pytest.importorskip("msgspec")

    def made(field: tuple[Any, ...], **options: Any) -> str:
        return of(msgspec.defstruct("S", [field], module="users_module", **options))

    of_lists = [
        made(("a", list, msgspec.field(default_factory=make))) for make in (list, dict)
    ]
    others = [
        made(("a", int)),
        made(("a", str)),
        made(("a", int, 1)),
        made(("a", int, 2)),
        made(("b", int)),
        made(("a", int), rename="upper"),
        made(("a", int), tag="x"),
        *of_lists,
    ]
    assert made(("a", int, 1)) == others[2]
    assert len(set(others)) == len(others)
