"""The images: versions that fit, and files that are there."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest
from apache_beam.version import __version__ as beam_version
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.support.dockerfiles import copied, instructions, variables
from tests.support.folders import ROOT

NAMES = ["launcher", "worker"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirement(name: str) -> Requirement:
    found = map(Requirement, PROJECT["dependencies"])
    return next(needed for needed in found if needed.name == name)


def bases(name: str) -> list[str]:
    return [rest for word, rest in instructions(name) if word == "FROM"]


def python_versions(name: str) -> set[str]:
    text = " ".join(rest for _, rest in instructions(name))
    dotted = re.findall(r"python:?(3\.\d+)", text)
    joined = [f"3.{minor}" for minor in re.findall(r"python3(\d\d)-template", text)]
    return {*dotted, *joined}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_is_in_the_checkout(name: str) -> None:
    assert {"pyproject.toml", "constraints.txt", "beam_scanner"} <= set(copied(name))
    for source in copied(name):
        assert (ROOT / source).exists(), source


def test_launcher_and_workers_have_one_python() -> None:
    # Pickles of code cross from one to the other.
    (launcher,), (worker,) = map(python_versions, NAMES)
    assert launcher == worker
    assert launcher in SpecifierSet(PROJECT["requires-python"])


def test_the_boot_program_is_that_of_the_installed_beam() -> None:
    (python,) = python_versions("worker")
    assert f"apache/beam_python{python}_sdk:{beam_version} AS beam" in bases("worker")
    assert beam_version in requirement("apache-beam").specifier
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert f"apache-beam=={beam_version}" in pins
    wanted = ("COPY", "--from=beam /opt/apache/beam /opt/apache/beam")
    assert wanted in instructions("worker")


@pytest.mark.parametrize("name", NAMES)
def test_the_package_is_installed_as_pinned_with_its_extras(name: str) -> None:
    (install,) = (
        rest
        for word, rest in instructions(name)
        if word == "RUN" and "pip install" in rest
    )
    assert "-c /src/constraints.txt" in install
    (extras,) = re.findall(r"'/src\[([\w,]+)\]'", install)
    assert set(extras.split(",")) == {"gcp", "opencv"}
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    assert requirement("av").name == "av"


def test_workers_have_the_library_in_c() -> None:
    (install,) = (
        rest
        for word, rest in instructions("worker")
        if word == "RUN" and "pip install" in rest
    )
    steps = [step.strip() for step in install.split("&&")]
    kinds = ["apt-get install", "pip install", "python -c", "apt-get purge"]
    places = [
        next(n for n, step in enumerate(steps) if step.startswith(kind))
        for kind in kinds
    ]
    assert places == sorted(places)
    assert all("gcc libc6-dev" in steps[places[n]] for n in (0, 3))
    # What must be there is what the package opens.
    (code,) = re.findall(r"python -c '([^']+)'", install)
    exec(code.replace("LIBRARY.stat()", "assert LIBRARY.suffix == '.so'"), {})


def test_workers_have_cuda_and_start_as_beam_wants() -> None:
    assert bases("worker")[-1].startswith("nvidia/cuda:12.")
    assert instructions("worker")[-1] == ("ENTRYPOINT", '["/opt/apache/beam/boot"]')
    found = variables("worker")
    # Else the boot program makes an environment that lacks all of this.
    assert found["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] == "1"
    assert found["PATH"].startswith("/opt/venv/bin:")


def test_the_launcher_starts_the_pipeline() -> None:
    launcher = "/opt/google/dataflow/python_template_launcher"
    assert instructions("launcher")[-1] == ("ENTRYPOINT", f'["{launcher}"]')
    assert ("COPY", f"--from=launcher {launcher} {launcher}") in instructions(
        "launcher"
    )
    place = dict(instructions("launcher"))["WORKDIR"]
    assert ("COPY", "pipeline.py ./") in instructions("launcher")
    file = variables("launcher")["FLEX_TEMPLATE_PYTHON_PY_FILE"]
    assert file == f"{place}/pipeline.py"


def test_tests_run_on_the_python_of_the_images_or_a_later_one() -> None:
    (python,) = python_versions("worker")
    assert tuple(map(int, python.split("."))) <= sys.version_info[:2]


def test_tensorflow_is_added_to_the_workers_as_pinned() -> None:
    assert bases("tensorflow") == ["REPOSITORY/worker"]
    (install,) = (rest for word, rest in instructions("tensorflow") if word == "RUN")
    assert "-c /src/constraints.txt 'tensorflow[and-cuda]' keras" in install
    assert (ROOT / "constraints.txt").read_text().count("\ntensorflow==") == 1
    assert variables("tensorflow")["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    for source in copied("tensorflow"):
        assert (ROOT / source).exists(), source


def test_workers_that_decode_on_gpus_have_the_driver_s_decoder() -> None:
    assert bases("gpu") == ["REPOSITORY/worker"]
    (install,) = (rest for word, rest in instructions("gpu") if word == "RUN")
    (cuda,) = PROJECT["optional-dependencies"]["cuda"]
    package = Requirement(cuda).name
    assert f"-c /src/constraints.txt {package} " in install
    assert (ROOT / "constraints.txt").read_text().count(f"\n{package}==") == 1
    wanted = set(variables("gpu")["NVIDIA_DRIVER_CAPABILITIES"].split(","))
    assert wanted == {"compute", "utility", "video"}
    # CuPy for CUDA 12 works with the libraries of the base.
    assert bases("worker")[-1].startswith("nvidia/cuda:12.")
    assert package.endswith("cuda12x")
