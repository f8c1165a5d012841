"""A worker process of a local run: Beam's own, with readable logs.

Beam would send each log record to the driver, which prints it as a protocol buffer;
and its start-up would print a dozen lines. Here warnings, and what kernels log, go
straight to the driver's standard error.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import signal
import sys
import threading
import warnings
from contextlib import suppress

from beam_scanner.text.printable import log_handler, printable_warning


def leave() -> None:
    """Ends this process as multiprocessing ends its own.

    Python would first take apart all that was imported, for a third of a second, and
    the runner waits for one worker after the other.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            # A kernel may have closed it, or there was none from the beginning.
            with suppress(AttributeError, ValueError, OSError):
                stream.flush()
        # What native code has printed.
        ctypes.CDLL(None).fflush(None)
    finally:
        os._exit(0)


def log_to_stderr(level: int) -> None:
    """Lets this process print its log as all workers of a local run do.

    Args:
        level: Of the log records to print.
    """
    global printed
    printed = level
    warnings.formatwarning = printable_warning
    handler = log_handler()
    handler.setLevel(level)
    logging.getLogger().addHandler(handler)
    logging.getLogger("apache_beam").setLevel(logging.WARNING)


printed: int | None = None
"""Level of the records that this process prints; None if it prints none itself."""


def main(level: int) -> None:
    """Serves a runner until that says to stop, and ends this process.

    Args:
        level: Of the log records to print.
    """
    from beam_scanner.beam_internals import sdk_harness

    # The driver ends its workers: an interrupt, of a terminal or the driver, only says
    # that it will. A handler, unlike SIG_IGN, is not inherited by programs that kernels
    # start.
    signal.signal(signal.SIGINT, lambda *about: sdk_harness.print_no_failures())
    log_to_stderr(level)
    sdk_harness.serve_runner()
    sdk_harness.print_no_failures()
    leave()
