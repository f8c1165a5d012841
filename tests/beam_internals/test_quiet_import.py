"""Importing Beam leaves no trace in the log."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import logging, sys
# As without the cloud extra, where Beam logs a warning while it is imported.
sys.modules["google.cloud"] = None
from beam_scanner.beam_internals.quiet_import import import_beam
import_beam()
assert logging.getLogger().handlers == [], logging.getLogger().handlers
"""


def test_beam_leaves_no_handler_and_says_nothing() -> None:
    """Else every library's log lines appear twice in a user's program."""
    # Packages beside Beam may warn of versions that will not be supported.
    command = [sys.executable, "-W", "ignore", "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
