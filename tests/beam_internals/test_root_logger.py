"""Beam configures no logger of the program's."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging
from beam_scanner.beam_internals.quiet_import import import_beam
import_beam()
from apache_beam.options.pipeline_options import PipelineOptions
from beam_scanner.beam_internals.root_logger import keeps_root_logger
root, logger = logging.getLogger(), logging.getLogger("kernel")
for handler in list(root.handlers):
    root.removeHandler(handler)

@keeps_root_logger
def inside():
    PipelineOptions([]).view_as(PipelineOptions)
    logger.warning("as without a handler")
    logger.info("not to be seen")
    root.addHandler(own)
    logger.warning("of the program's own")
    root.removeHandler(own)

own = logging.StreamHandler()
own.setFormatter(logging.Formatter("own: %(message)s"))
inside()
assert root.handlers == []
PipelineOptions([])
assert root.handlers, "Beam configures the root logger no more"
"""


@pytest.mark.slow
def test_records_are_printed_as_they_would_be() -> None:
    """Else log lines look different after the first run in a notebook."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = ["as without a handler", "own: of the program's own"]
    assert done.stderr.splitlines() == told
