"""Arguments of other values are other arguments, whatever their class."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import pickle
import threading
import types
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from beam_scanner import (
    CacheMode,
    Client,
    NamedStream,
    PerfParams,
    protobufs,
    register_python_op,
)
from beam_scanner.kernels import Kernel
from beam_scanner.kernels.digests.digest import code_digest
from tests.support.programs import run_code


class Slotted:
    __slots__ = ("__hidden", "shown")

    def __init__(self, hidden: int, shown: int) -> None:
        self.__hidden, self.shown = hidden, shown


def pairs() -> dict[str, tuple[Any, Any]]:
    """Two values of each class, in words that any process understands."""
    return {
        "date": (datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)),
        "zone": (datetime.UTC, datetime.timezone(datetime.timedelta(1 / 24))),
        "delta": (datetime.timedelta(1), datetime.timedelta(2)),
        "decimal": (decimal.Decimal("1.5"), decimal.Decimal("10")),
        "fraction": (fractions.Fraction(1, 2), fractions.Fraction(1, 3)),
        "uuid": (uuid.UUID(int=1), uuid.UUID(int=2)),
        "namespace": (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
        "slice": (slice(0, 1), slice(0, 2)),
        "array": (array.array("i", [1]), array.array("i", [2])),
        "objects": (np.array(["a"], object), np.array(["b"], object)),
        "numbers": (np.arange(3), np.arange(3.0)),
        "masked": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[0, 0])),  # type: ignore[arg-type]
        "frame": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
        "message": (protobufs.BoundingBox(x1=1), protobufs.BoundingBox(x1=2)),
        "path": (Path("a"), Path("b")),
        "counter": (collections.Counter("aab"), collections.Counter("abb")),
        "random": (np.random.RandomState(1), np.random.RandomState(2)),
        "slots": (Slotted(1, 2), Slotted(1, 3)),
        "hidden slots": (Slotted(1, 2), Slotted(2, 2)),
    }


def digest(value: Any) -> str:
    return code_digest([value], home="")


@pytest.mark.parametrize("kind", pairs())
def test_other_values_differ_and_equal_ones_do_not(kind: str) -> None:
    one, other = pairs()[kind]
    assert digest(one) != digest(other)
    assert digest(one) == digest(pairs()[kind][0])
    # A masked array has a fill value only once it was pickled.
    if kind != "masked":
        assert digest(one) == digest(pickle.loads(pickle.dumps(one)))


@pytest.mark.slow
def test_every_process_finds_the_same() -> None:
    program = (
        "import tests.kernels.digests.test_argument_digests as t; "
        "print(*map(t.digest, t.plain()))"
    )
    found = {run_code(program, PYTHONHASHSEED=seed) for seed in ("1", "2")}
    assert found == {" ".join(map(digest, plain()))}


def plain() -> list[Any]:
    """One value of each class."""
    # Its class is of another module there.
    kinds = pairs()
    return [kinds[kind][0] for kind in kinds if "slots" not in kind]


def test_what_cannot_be_pickled_is_known_by_name() -> None:
    assert digest(threading.Lock()) == digest(threading.Lock())


@pytest.mark.parametrize("constant", ["date", "decimal", "uuid", "slice", "array"])
def test_plain_data_that_code_uses(constant: str) -> None:
    digests = set()
    for value in pairs()[constant]:
        space: dict[str, Any] = {"VALUE": value, "__name__": "users_module"}
        exec("def op(): return VALUE", space)
        digests.add(code_digest(space["op"], home="users_module"))
    assert len(digests) == 2


@register_python_op(name="DigestScale")
class Scale(Kernel):
    def __init__(self, config: Any, by: decimal.Decimal) -> None:
        self.by = by

    def execute(self, x: bytes) -> float:
        return float(self.by) * len(x)


def test_another_argument_is_another_result(tmp_path: Path) -> None:
    with Client(
        db_path=str(tmp_path), options=["--direct_running_mode=in_memory"]
    ) as sc:
        given, made = NamedStream(sc, "in"), NamedStream(sc, "out")
        given.save([b"ab"])
        for by in pairs()["decimal"]:
            scaled = sc.ops.DigestScale(x=sc.io.Input([given]), by=by)
            sc.run(
                sc.io.Output(scaled, [made]),
                PerfParams.manual(2, 2),
                cache_mode=CacheMode.Ignore,
                show_progress=False,
            )
            assert list(made.load()) == [2 * float(by)]
