"""The package as it is installed: built, put beside what it needs, used from afar."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.documents import blocks, make_films
from tests.support.folders import ROOT
from tests.support.native_libraries import tool
from tests.support.object_servers import missing

pytestmark = pytest.mark.slow

BUILT_FROM = ("beam_scanner", "pyproject.toml", "setup.py", "README.md", "LICENSE")
_OURS = ("beam_scanner", "beam-scanner", "__editable__", "__pycache__")


def call(
    command: list[str | Path], folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


PIP: list[str | Path] = [sys.executable, "-m", "pip"]


def build_wheel(folder: Path, **variables: str) -> Path:
    """A wheel of the sources, as they are in a fresh checkout."""
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            built_before = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=built_before)
        else:
            shutil.copy(ROOT / name, source / name)
    command = [*PIP, "wheel", "-q", "--no-deps", "-w", folder, source]
    built = call(command, folder, **variables)
    if built.returncode:
        missing(f"no wheel can be built: {built.stderr.strip()[-300:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with the wheel, and all else that this one has."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = build_wheel(folder)
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    packages = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(_OURS) and entry.suffix != ".pth":
            (folder / "env" / packages / entry.name).symlink_to(entry)
    # Only then: what is linked must not hide what is installed.
    to = [*PIP, "--python", python, "install", "-q", "--no-deps", "--no-index"]
    done = call([*to, wheel], folder)
    assert done.returncode == 0, done.stderr
    return python.parent


def test_the_yaml_of_the_page_from_another_folder(
    installed: Path, tmp_path: Path
) -> None:
    pytest.importorskip("jsonschema")
    make_films(tmp_path)
    page = blocks(ROOT / "docs" / "beam.md")
    (text,) = [b.text for b in page if b.language == "yaml" and "red.json" in b.text]
    (tmp_path / "red.yaml").write_text(text)
    command = "python -m apache_beam.yaml.main --yaml_pipeline_file=red.yaml"
    assert f"{command} --runner=FnApiRunner" in (ROOT / "docs/beam.md").read_text()
    module = command.split()[1:]
    done = call([installed / "python", *module, "--runner=FnApiRunner"], tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [
        json.loads(line)
        for file in tmp_path.glob("red.json*")
        for line in file.read_text().splitlines()
    ]
    assert [row["film"] for row in lines] == ["a.mp4"] * 8
    assert sorted(row["seconds"] for row in lines) == [
        pytest.approx(8 * row / 25) for row in range(8)
    ]


def test_it_is_the_wheel_that_is_used(installed: Path, tmp_path: Path) -> None:
    where = "import beam_scanner; print(beam_scanner.__file__)"
    done = call([installed / "python", "-c", where], tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(installed.parent), done.stderr
    done = call([installed / "beam-scanner", "--help"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--runner" in done.stdout


def test_ops_in_c_and_headers_come_with_it(installed: Path, tmp_path: Path) -> None:
    tool("cc")
    program = """if True:
        import os, numpy as np
        from beam_scanner.kernels import KernelConfig
        from beam_scanner.kernels.native import include_folder
        from beam_scanner.ops.histogram import HistogramKernel
        kernel = HistogramKernel(KernelConfig())
        print(type(kernel._counts).__name__)
        print(sum(kernel.execute(np.zeros((5, 7, 3), np.uint8))[0]))
        print(sorted(name for name in os.listdir(include_folder()) if ".h" in name))
    """
    done = call([installed / "python", "-c", program], tmp_path)
    assert done.stdout.splitlines() == [
        "NativeCompute",
        "35",
        "['beam_scanner_op.h', 'beam_scanner_op.hpp']",
    ], done.stderr


def libraries(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return [name for name in file.namelist() if name.endswith(".so")]


def test_one_wheel_for_all_versions_of_python(tmp_path: Path) -> None:
    tool("cc")
    wheel = build_wheel(tmp_path)
    _, _, python, abi, platform = wheel.stem.split("-")
    assert (python, abi) == ("py3", "none")
    assert platform != "any"
    assert libraries(wheel) == ["beam_scanner/ops/native/libbeam_scanner_ops.so"]


def test_without_a_compiler_it_is_built_for_all_machines(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, CC="/bin/false")
    assert wheel.stem.endswith("-py3-none-any")
    assert libraries(wheel) == []
