"""What a program has loaded once it has done something that needs little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def loaded(program: str) -> set[str]:
    """Top-level modules that a new process has imported after running a program."""
    program += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    found = loaded("import beam_scanner")
    assert "beam_scanner" in found
    assert not found & {"tensorflow", "torch", "cv2", "duckdb", "matplotlib"}


def test_every_op_can_be_named_without_opencv() -> None:
    found = loaded("import beam_scanner, beam_scanner.ops")
    assert "cv2" not in found
