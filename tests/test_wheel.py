"""The package as it is installed: built, put beside what it needs, used from afar."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.documents import blocks, make_films
from tests.support.folders import ROOT
from tests.support.object_servers import missing

pytestmark = pytest.mark.slow

BUILT_FROM = ("beam_scanner", "pyproject.toml", "setup.py", "README.md", "LICENSE")
_OURS = ("beam_scanner", "beam-scanner", "__editable__", "__pycache__")


def call(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with the wheel, and all else that this one has."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip"]
    built = call([*pip, "wheel", "-q", "--no-deps", "-w", folder, source], folder)
    if built.returncode:
        missing(f"no wheel can be built: {built.stderr.strip()[-300:]}")
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    packages = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(_OURS) and entry.suffix != ".pth":
            (folder / "env" / packages / entry.name).symlink_to(entry)
    # Only then: what is linked must not hide what is installed.
    to = [*pip, "--python", python, "install", "-q", "--no-deps", "--no-index"]
    done = call([*to, wheel], folder)  # type: ignore[list-item]
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
