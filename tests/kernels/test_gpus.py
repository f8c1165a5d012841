"""Whether there is a GPU."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest

from beam_scanner.kernels import gpus


def test_a_device_file_is_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        gpus, "_DEVICES", (f"{glob.escape(str(tmp_path))}/nvidia[0-9]*",)
    )
    (tmp_path / "nvidia-uvm").touch()
    assert not gpus.has_gpu()
    (tmp_path / "nvidia3").touch()
    assert gpus.has_gpu()
