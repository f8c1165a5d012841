"""Loggers of Beam's are where we look for them."""

from __future__ import annotations

import importlib
import logging

import pytest
from apache_beam.runners.portability import flink_runner, portable_runner, prism_runner

from beam_scanner.beam_internals import log_echoes
from beam_scanner.beam_internals.log_echoes import (
    JOB_ECHOES,
    LOCAL_ECHOES,
    without_job_echoes,
    without_local_echoes,
)


@pytest.mark.parametrize("name", sorted({*LOCAL_ECHOES, *JOB_ECHOES}))
def test_each_logger_is_that_of_something_in_beam(name: str) -> None:
    """Else a failed run prints the same traceback several times."""
    servers = {"FlinkJarJobServer": flink_runner, "PrismJobServer": prism_runner}
    if name in servers:
        assert hasattr(servers[name], name)
    else:
        module = importlib.import_module(name)
        assert "_LOGGER" in vars(module) or "logging" in vars(module)
    assert portable_runner.__name__.endswith(log_echoes._ROOT_SENDERS[0])


@pytest.mark.parametrize(
    ("change", "names"),
    [(without_local_echoes, LOCAL_ECHOES), (without_job_echoes, JOB_ECHOES)],
)
def test_nothing_is_logged_by_them(
    change, names: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with change(), change():
        for name in names:
            logging.getLogger(name).error("an echo")
    assert caplog.records == []
    logging.getLogger(names[0]).error("told")
    assert [record.message for record in caplog.records] == ["told"]


def test_who_debugs_sees_all(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), without_job_echoes():
        logging.getLogger(JOB_ECHOES[0]).error("told")
    assert len(caplog.records) == 1
