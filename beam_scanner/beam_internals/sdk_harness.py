"""The program of Beam's Python workers, the SDK harness, and what it prints.

Beam's own ways to start it are a shell command and a container. Here it runs in a
process that was forked or started for it, whose output is the driver's.

If Beam changes this: worker processes end at their start, do not notice that their
runner has gone, or print dozens of lines that nobody asked for.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from apache_beam.runners.worker import sdk_worker, sdk_worker_main


def serve_runner() -> None:
    """Serves the runner that environment variables name, until it says to stop."""
    # At each start it warns of a missing folder, which only containers have.
    logging.getLogger(sdk_worker_main.__name__).setLevel(logging.ERROR)
    sdk_worker_main.main(sys.argv)


def print_no_failures() -> None:
    """Keeps this process from printing a traceback for each bundle that fails.

    For bundles that fail because the run ends.
    """
    logging.getLogger(sdk_worker.__name__).disabled = True
    sdk_worker.print = lambda *values, **settings: None


class Harness:
    """A harness for a runner that is known by its address.

    Args:
        control: Where the runner listens, ``host:port``.
        name: What the runner calls this worker.
    """

    def __init__(self, control: str, name: str) -> None:
        self._harness: Any = sdk_worker.SdkHarness(control, worker_id=name)

    def run(self) -> None:
        """Serves the runner until it hangs up."""
        self._harness.run()

    def is_connected(self) -> bool:
        """Whether the runner has not hung up."""
        return bool(self._harness._alive)
