"""``scripts/gpu_check.py``: all of it on a fake device, and that it says if there is none."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from beam_scanner import FrameType
from beam_scanner.kernels import registry
from beam_scanner.kernels.gpus import has_gpu
from tests.support.fake_device import FakeDevice, Plane, fake_device
from tests.support.fake_library import fake_cupy, ndarray
from tests.support.folders import ROOT

SCRIPT = ROOT / "scripts" / "gpu_check.py"


@pytest.fixture(scope="module")
def script() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


@pytest.fixture
def film(script: SimpleNamespace) -> Any:
    return script.Film("H.264", "h264", (64, 48), 24, step=6)


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_a_machine_without_a_gpu() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "nothing was checked: video is to be decoded on a GPU" in done.stderr
    assert done.stdout == ""


def arrays(kind: Any) -> Any:
    """NumPy, with another class of what kernels take frames as."""
    names = ("from_dlpack", "asarray", "stack", "clip", "flip", "rot90", "int32")
    found = {name: getattr(np, name) for name in (*names, "uint8")}
    return SimpleNamespace(**found, Tensor=kind)


def checked(script: Any, device: FakeDevice, folder: Path, *films: Any) -> Any:
    """What the script finds, with memory that grows by nothing."""
    with fake_device(device), fake_cupy():
        try:
            return script.check(device, folder, films, lambda _: 0)
        finally:
            if "GpuCheckMean" in registry():
                registry().remove("GpuCheckMean")


def test_all_checks(script: Any, film: Any, tmp_path: Path) -> None:
    ten_bits = script.Film("HEVC of 10 bits", "hevc10", (64, 48), 12)
    device = FakeDevice(arrays(ndarray))
    found = checked(script, device, tmp_path, film, ten_bits)
    assert (found.wrong, found.skipped) == ([], [])
    assert [row[0] for row in found.rows] == ["H.264", "HEVC of 10 bits"]
    for row in found.rows:
        assert len(row) == script.HEAD.splitlines()[0].count("|") - 1
        assert all(int(cell) > 0 for cell in row[1:4])


def test_copies_are_found(script: Any, film: Any, tmp_path: Path) -> None:
    found = checked(script, FakeDevice(arrays(FrameType)), tmp_path, film)
    assert found.wrong == ["H.264: a run copied 24 frames to the host"]


class Wrong(FakeDevice):
    """Gives one sample of one picture wrongly, as a driver might."""

    def __init__(self, plane: int, pts: int) -> None:
        super().__init__()
        self._plane, self.pts = plane, pts

    def planes(self, frame: Any) -> Any:
        layout, planes = super().planes(frame)
        if frame.pts == self.pts:
            array = planes[self._plane]._array.copy()
            array[-1, -1] += 1
            planes[self._plane] = Plane(array)
        return layout, planes


@pytest.mark.parametrize(("plane", "what"), [(0, "brightness"), (1, "colours")])
def test_a_wrong_sample_is_found(
    script: Any, film: Any, tmp_path: Path, plane: int, what: str
) -> None:
    path = script.make(film, tmp_path)
    index = script.index_video(path)
    device = Wrong(plane, int(index.pts[5]))
    wrong = script.check_pixels(device, path, index, range(len(index)))
    assert f"row 5: its {what}" in wrong
    assert script.check_pixels(FakeDevice(), path, index, range(len(index))) == ""


def test_what_a_gpu_does_not_decode(script: Any, film: Any, tmp_path: Path) -> None:
    lossless = script.Film("lossless", "lossless", (64, 48), 6)
    found = checked(script, FakeDevice(arrays(ndarray)), tmp_path, film, lossless)
    assert [row[0] for row in found.rows] == ["H.264"]
    assert "lossless: " in found.skipped[0]
    assert "its pixel format is gbrp" in found.skipped[0]
    # Of the first there is no excuse, nor for a wrong time.
    (wrong,) = checked(script, FakeDevice(), tmp_path, lossless).wrong
    assert "its pixel format is gbrp" in wrong
    (wrong,) = checked(script, FakeDevice(ticks=1), tmp_path, film).wrong
    assert "has time 1, the index says 0" in wrong


def test_memory_that_grows(script: Any, film: Any, tmp_path: Path) -> None:
    path = script.make(film, tmp_path)
    index, sizes = script.index_video(path), iter(range(0, 1 << 40, 1 << 26))
    device = FakeDevice()
    assert script.check_memory(device, path, index, lambda _: 7) == ""
    grown = script.check_memory(device, path, index, lambda _: next(sizes))
    assert "device memory grew from 0 to 268435456 bytes in 5 passes" in grown


def test_device_memory_of_both_libraries(script: Any) -> None:
    torch = SimpleNamespace(cuda=SimpleNamespace(mem_get_info=lambda: (3, 10)))
    runtime = SimpleNamespace(memGetInfo=lambda: (3, 10))
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    assert script.used_memory(torch) == script.used_memory(cupy) == 7


def test_the_table_is_written_below_its_mark(script: Any, tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    page.write_text(f"# GPU\n\n{script.MARK}\n\nold\n")
    found = script.Findings([["H.264", "900", "300", "400", "-", "-"]], [], ["AV1: no"])
    script.write(page, script.report(found, "a GPU"))
    text = page.read_text()
    assert text.startswith(f"# GPU\n\n{script.MARK}\n\nMeasured on a GPU.")
    assert "| H.264 | 900 | 300 | 400 | - | - |" in text
    assert "device memory stayed flat" in text
    assert "not checked: AV1: no" in text
    assert "old" not in text
    page.write_text("# GPU\n")
    with pytest.raises(SystemExit, match="has no line"):
        script.write(page, "")


def test_the_page_has_the_mark(script: Any) -> None:
    assert script.MARK in (ROOT / "docs" / "gpu.md").read_text()
