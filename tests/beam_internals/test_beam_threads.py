"""Beam's threads are distinguished from other threads."""

from __future__ import annotations

import inspect
import subprocess
import sys

from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import data_plane, sdk_worker, worker_pool_main
from apache_beam.utils.thread_pool_executor import UnboundedThreadPoolExecutor

from beam_scanner.beam_internals import beam_threads


def test_names_of_threads() -> None:
    """Else lost connections print tracebacks after a worker has died."""
    code = "".join(
        inspect.getsource(module)
        for module in (worker_handlers, data_plane, sdk_worker, worker_pool_main)
    )
    for name in beam_threads.WORKERS:
        assert f"'{name}" in code or f'"{name}' in code, name


def test_threads_of_the_pool() -> None:
    """Else a graph hangs in a forked child."""
    UnboundedThreadPoolExecutor().submit(int).result()
    assert beam_threads.has_pool_threads()


def test_the_pool_is_not_loaded_to_ask() -> None:
    code = (
        "import sys; from beam_scanner.beam_internals import beam_threads; "
        f"sys.modules.pop({beam_threads._POOL!r}, None); "
        "assert not beam_threads.has_pool_threads()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
