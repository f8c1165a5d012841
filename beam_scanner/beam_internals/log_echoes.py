"""Loggers of Beam's that print tracebacks which the error of the run has too.

Some of them print it four times. Connections to a worker that has died break before
its end is known, and the threads that read them log that as well.

If Beam changes this: a failed run prints the same traceback several times, before its
error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

DATA_PLANE = "apache_beam.runners.worker.data_plane"

LOCAL_ECHOES = (
    DATA_PLANE,
    "apache_beam.runners.portability.fn_api_runner.worker_handlers",
)
JOB_ECHOES = (
    "apache_beam.runners.common",
    DATA_PLANE,
    "apache_beam.runners.worker.sdk_worker",
    "apache_beam.utils.subprocess_server",
    "FlinkJarJobServer",
    "PrismJobServer",
)
_ROOT_SENDERS = ("portable_runner", "subprocess_server")
"""Modules of Beam's that log by the root logger."""


def without_local_echoes() -> AbstractContextManager[None]:
    """While open, nothing is logged that the error of a local run says too."""
    return _silent(LOCAL_ECHOES)


def without_job_echoes() -> AbstractContextManager[None]:
    """While open, nothing is logged that the error of a job says too, but for DEBUG."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        return nullcontext()
    return _silent(JOB_ECHOES, _ROOT_SENDERS)


@contextmanager
def _silent(
    names: tuple[str, ...], root_senders: tuple[str, ...] = ()
) -> Iterator[None]:
    # Functions of this block alone: other blocks, open at the same time, add their own.
    def nothing(record: logging.LogRecord) -> bool:
        return False

    def from_others(record: logging.LogRecord) -> bool:
        return record.module not in root_senders

    filters = {logging.getLogger(name): nothing for name in names}
    filters[logging.getLogger()] = from_others
    for logger, each in filters.items():
        logger.addFilter(each)
    try:
        yield
    finally:
        for logger, each in filters.items():
            logger.removeFilter(each)
