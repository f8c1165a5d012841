"""Builds libraries of native ops for tests, where there is a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.kernels.native import include_folder
from tests.support.folders import ROOT

SOURCE = ROOT / "tests" / "support" / "native_ops.c"


def tool(name: str) -> str:
    """The path of a compiler or build tool; skips the test where it is missing."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("REQUIRE_COMPILERS") == "1":
            pytest.fail(f"REQUIRE_COMPILERS=1, but there is no {name}")
        pytest.skip(f"{name} is not installed")
    return found


def build(
    path: Path, source: Path = SOURCE, optimize: str = "-O1", **defined: Any
) -> Path:
    """Compiles C to a shared library.

    Args:
        path: Of the library.
        source: Of it.
        optimize: How much.
        **defined: Macros.
    """
    flags = [f"-D{name}={value}" for name, value in defined.items()]
    command = [tool("cc"), optimize, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    command += ["-fvisibility=hidden", f"-I{include_folder()}", *flags]
    # Another file under the same name, as a linker makes it.
    path.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, str(source), "-o", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return path
