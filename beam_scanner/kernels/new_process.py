"""Runs a question in a new Python process, which has none of this one's state."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def ask_new_process(program: str, question: Any, seconds: float) -> Any:
    """The answer of a program that starts as workers do.

    Args:
        program: Reads JSON from its standard input, and prints JSON as its last line.
            ``-c`` puts the working directory first on its path, as ``-m`` of workers
            does.
        question: JSON-able.
        seconds: That it may take.

    Returns:
        The answer; None if there is none: the process failed or took too long.

    Examples:
        >>> ask_new_process('print(input())', [1, 'a'], 60)
        [1, 'a']
        >>> ask_new_process('raise SystemExit(1)', [], 60)
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
