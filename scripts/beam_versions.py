"""Runs the core of the suite on the oldest and the newest Beam that is supported.

Each version gets an environment of its own, with the package's requirements and those
of the tests. Others can be named, as one that has just come out::

    python scripts/beam_versions.py                # oldest and newest of pyproject.toml
    python scripts/beam_versions.py newest
    python scripts/beam_versions.py 2.78.0 --python python3.13
    python scripts/beam_versions.py oldest --tests tests/beam_internals
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".cache" / "beam_versions"

CORE = (
    "tests/beam_internals",
    "tests/elements",
    "tests/kernels/test_pickling.py",
    "tests/kernels/digests/test_digest.py",
    "tests/forks",
    "tests/runners/local",
    "tests/runners/test_forms.py",
    "tests/runners/test_mixed_pipelines.py",
    "tests/scannerpy/semantics",
    "tests/transforms",
    "tests/yaml",
)
"""Tests of what the package asks of Beam: pickling, transforms, coders, workers."""


def project() -> dict[str, Any]:
    """The table ``[project]`` of pyproject.toml."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        found: dict[str, Any] = tomllib.load(file)["project"]
    return found


def beam_range() -> tuple[str, str]:
    """The oldest supported version of Beam, and the first one that is not any more.

    Examples:
        >>> oldest, above = beam_range()
        >>> oldest < above
        True
    """
    (found,) = (
        re.fullmatch(r"apache-beam>=([\d.]+),<([\d.]+)", each)
        for each in project()["dependencies"]
        if each.startswith("apache-beam")
    )
    assert found is not None, "expected apache-beam>=OLDEST,<FIRST_UNSUPPORTED"
    return found[1], found[2]


def beam_specifier(version: str) -> str:
    """What pip is asked for: 'oldest', 'newest', or a version.

    Examples:
        >>> beam_specifier('2.70.0')
        '==2.70.0'
    """
    oldest, above = beam_range()
    return {"oldest": f"=={oldest}.*", "newest": f"<{above}"}.get(
        version, f"=={version}"
    )


def requirements(version: str) -> list[str]:
    """All that tests need, with one version of Beam.

    Extras of the package are written out: it is not installed itself, since a version
    out of its own range would be refused.
    """
    extras = project()["optional-dependencies"]
    listed = [*project()["dependencies"], *extras["test"]]
    for name in ("gcp", "opencv", "s3", "yaml"):
        listed += extras[name]
    # Of checks that have nothing to do with the version.
    skipped = ("beam-scanner", "apache-beam", "mypy", "ruff", "types-")
    kept = [each for each in listed if not each.startswith(skipped)]
    return [f"apache-beam[gcp,yaml]{beam_specifier(version)}", *kept]


def environment(version: str, python: str) -> Path:
    """Makes an environment, or updates it; gives its interpreter."""
    folder = FOLDER / version
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    print(f"installing Beam {beam_specifier(version)} into {folder}", flush=True)
    pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, "--upgrade", *requirements(version)], check=True)
    return interpreter


def fetch_runners(interpreter: Path) -> None:
    """Fetches what tests need: Prism is of the version of Beam that is installed.

    ``make test`` fetches its own again.
    """
    fetch = [interpreter, ROOT / "scripts" / "runners.py", "fetch", "prism", "flink"]
    needed = os.environ.get("REQUIRE_RUNNERS") == "1"
    subprocess.run(fetch, check=needed)


def run_tests(interpreter: Path, tests: Sequence[str]) -> int:
    """Runs tests in an environment; gives pytest's exit code."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        # Google's packages warn of old versions of each other.
        "PYTHONWARNINGS": "ignore::FutureWarning",
    }
    command = [interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-n", "2", "--dist", "loadgroup", *tests]
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


def main() -> None:
    """Prints how each version did; the exit code says whether all tests passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "versions",
        nargs="*",
        default=["oldest", "newest"],
        help="oldest, newest, or a version of Beam; default: both",
    )
    parser.add_argument("--python", default=sys.executable, help="interpreter to use")
    parser.add_argument("--tests", nargs="+", default=CORE, help="default: the core")
    args = parser.parse_args()
    ends = {}
    for version in args.versions:
        interpreter = environment(version, args.python)
        fetch_runners(interpreter)
        ends[version] = run_tests(interpreter, args.tests)
    for version, code in ends.items():
        print(
            f"Beam {version}: {'passed' if code == 0 else f'pytest ended with {code}'}"
        )
    sys.exit(any(ends.values()))


if __name__ == "__main__":
    main()
