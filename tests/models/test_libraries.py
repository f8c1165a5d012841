"""What is missing is named, with the line that installs it."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from beam_scanner.errors import MissingDependencyError
from beam_scanner.models.libraries import Package, library, tensorflow
from tests.support.folders import ROOT


def test_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[tensorflow\]"):
        tensorflow("KerasModelHandler", 1)
    text = (ROOT / "pyproject.toml").read_text()
    for extra in ("tensorflow", "onnx", "torch"):
        assert f"\n{extra} = [" in text
    assert library(Package("maths", "math", "none"), "me").pi > 3


def test_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Package("NumPy", "numpy.linalg", "none").is_there()
    assert not Package("Nothing", "no_such_module", "none").is_there()
    assert not Package("Nothing", "no_such_module.inside", "none").is_there()
    monkeypatch.setitem(sys.modules, "colorsys", None)
    assert not Package("Colors", "colorsys", "none").is_there()


def test_tensorflow_takes_the_memory_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[Any] = []
    threading = types.SimpleNamespace(
        set_intra_op_parallelism_threads=lambda n: done.append(("intra", n)),
        set_inter_op_parallelism_threads=lambda n: done.append(("inter", n)),
    )
    grows = types.SimpleNamespace(set_memory_growth=lambda *a: done.append(a))
    config = types.SimpleNamespace(
        list_physical_devices=lambda kind: [f"{kind}:0", f"{kind}:1"],
        experimental=grows,
        threading=threading,
    )
    fake: Any = types.ModuleType("tensorflow")
    fake.config = config
    monkeypatch.setitem(sys.modules, "tensorflow", fake)
    assert tensorflow("me", 3) is fake
    assert done == [("GPU:0", True), ("GPU:1", True), ("intra", 3), ("inter", 3)]

    def late(n: int) -> None:
        raise RuntimeError("Intra op parallelism cannot be modified")

    threading.set_intra_op_parallelism_threads = late
    assert tensorflow("me", 4) is fake
