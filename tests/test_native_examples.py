"""The examples of native ops, built with the tools that are there, in graphs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from tests.support.documents import forgotten
from tests.support.folders import ROOT
from tests.support.native_libraries import tool
from tests.support.targets import IN_MEMORY
from tests.support.video_fixtures import make_video

EXAMPLES = ROOT / "examples" / "native_ops"


def call(*command: Any) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr


def cmake(example: str, folder: Path) -> Path:
    tool("c++")
    call(
        *(tool("cmake"), "-S", EXAMPLES / example, "-B", folder),
        f"-DPython_EXECUTABLE={sys.executable}",
        *("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"),
    )
    call("cmake", "--build", folder)
    (library,) = folder.glob("*.so")
    return library


@pytest.fixture
def sc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.chdir(tmp_path)
    with forgotten(), Client(db_path=str(tmp_path / "db"), options=IN_MEMORY) as client:
        yield client


@pytest.fixture
def film(tmp_path: Path, sc: Client) -> Any:
    path = make_video(tmp_path / "film.mp4", frames=20)
    return sc.io.Input([NamedVideoStream(sc, "film", path=path)])


def run(sc: Client, column: Any, name: str) -> list[Any]:
    output = NamedStream(sc, name)
    perf = PerfParams.manual(4, 8)
    sc.run(sc.io.Output(column, [output]), perf, show_progress=False)
    return list(output.load())


def frames(sc: Client) -> list[Any]:
    return list(NamedVideoStream(sc, "film").load())


@pytest.mark.slow
def test_cpp(sc: Client, film: Any, tmp_path: Path) -> None:
    sc.load_op(str(cmake("cpp", tmp_path / "build")))
    numbered = run(sc, sc.ops.TestIncrement(ignore=film, first=5), "numbered")
    assert [int.from_bytes(n, "little") for n in numbered] == list(range(5, 25))
    counted = run(sc, sc.ops.ExampleHistogram(frame=film), "counted")
    expected = run(sc, sc.ops.Histogram(frame=film), "expected")
    np.testing.assert_array_equal(counted, expected)


@pytest.mark.slow
def test_rust(sc: Client, film: Any, tmp_path: Path) -> None:
    # Cargo writes beside the sources.
    source = shutil.copytree(EXAMPLES / "rust", tmp_path / "rust")
    build = [tool("cargo"), "build", "--release", "--offline"]
    call(*build, "--manifest-path", source / "Cargo.toml")
    sc.load_op(str(source / "target" / "release" / "libbrightness.so"))
    found = run(sc, sc.ops.MeanBrightness(frame=film), "mean")
    sums = np.cumsum([frame.sum(dtype=np.uint64) for frame in frames(sc)])
    sizes = np.cumsum([frame.size for frame in frames(sc)])
    np.testing.assert_array_equal(found, sums / sizes)


@pytest.mark.slow
def test_nanobind(sc: Client, film: Any, tmp_path: Path) -> None:
    pytest.importorskip("nanobind")
    cv2 = pytest.importorskip("cv2")
    library = cmake("nanobind", tmp_path / "build")
    sc.load_op(str(library))
    gray = sc.ops.ConvertColor(frame=film, conversion=["COLOR_RGB2GRAY"])
    found = run(sc, sc.ops.LaplacianSharpness(gray=gray), "sharp")
    grays = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames(sc)]
    inner = [cv2.Laplacian(g, cv2.CV_64F)[1:-1, 1:-1].var() for g in grays]
    np.testing.assert_allclose(found, inner)
    # The same file in Python.
    spec = importlib.util.spec_from_file_location("sharpness", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert [module.sharpness(g) for g in grays] == found
