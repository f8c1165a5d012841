"""Programs that tests run in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.support.folders import ROOT

PROCESSES = [
    "--runner=FnApiRunner",
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
]

WORKER = """
import sys
from beam_scanner.kernels import loads_graph
spec = loads_graph(open(sys.argv[1], 'rb').read())
print(spec.call(spec.kernel, None, [b'x'])[0], spec.digest)
"""
"""Loads a pickled op and calls it."""


def python(*arguments: Any, cwd: Path = ROOT, **env: str) -> str:
    """What a Python process prints; it must end well."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run_code(code: str, *arguments: Any, cwd: Path = ROOT, **env: str) -> str:
    """What a program prints that is given as text."""
    return python("-c", textwrap.dedent(code), *arguments, cwd=cwd, **env)


def script(folder: Path, source: str, ending: str = "") -> Path:
    """A program whose kernel is called ``op``; it writes the pickle and the digest."""
    file = folder / "program.py"
    file.write_text(
        textwrap.dedent(source)
        + "\nimport sys\n"
        + "from beam_scanner.kernels import dumps_graph, read_spec\n"
        + textwrap.dedent(ending)
        + "\nspec = read_spec(op)\n"
        + "from beam_scanner.run.picklable import check_picklable\n"
        + "check_picklable(spec, [])\n"
        + "open(sys.argv[1], 'wb').write(dumps_graph(spec))\n"
        + "print(op(None, b'x'), spec.digest)\n"
    )
    return file
