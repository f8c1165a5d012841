"""One line says why a pipeline failed."""

from __future__ import annotations

import pytest

from beam_scanner.errors import VideoError, WorkerError
from beam_scanner.runners.pipeline_errors import pipeline_failed, reason_of

PYTHON = """Traceback (most recent call last):
  File "a.py", line 3, in work
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 4, in run
RuntimeError: broken [while running 'Run']
"""
JAVA = (
    "Job failed.\n\tat a.b(C.java:1)\nCaused by: x.Lost: one\nCaused by: y.Broken: pipe"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PYTHON, "RuntimeError: broken [while running 'Run']"),
        (JAVA, "y.Broken: pipe"),
        (JAVA + "\n" + PYTHON, "RuntimeError: broken [while running 'Run']"),
        ("first\nlast", "last"),
        ("", ""),
    ],
)
def test_the_innermost_reason(text: str, reason: str) -> None:
    assert reason_of(text) == reason


def test_errors_of_ours_stay() -> None:
    error = VideoError("x")
    assert pipeline_failed(error) is error


def test_a_missing_module_is_to_be_installed() -> None:
    text = PYTHON.replace("RuntimeError: broken", "ImportError: No module named 'a.b'")
    error = pipeline_failed(RuntimeError(text))
    assert isinstance(error, WorkerError)
    assert "workers have no module 'a.b'" in str(error)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("short"), "(ValueError: short)"),
        (RuntimeError("Pipeline a-1 failed in state FAILED: why"), "(why)"),
        (RuntimeError(PYTHON), "(RuntimeError: broken [while running 'Run'])"),
    ],
)
def test_what_is_said(error: Exception, reason: str) -> None:
    said = str(pipeline_failed(error))
    assert said.startswith(f"the pipeline failed {reason}. ")
    assert "\n" not in said


def test_workers_that_do_not_begin() -> None:
    text = (
        "java.lang.RuntimeException: No client connected within timeout\n"
        "\tat org.apache.beam.GrpcDataService.createOutboundAggregator(x.java:189)\n"
        "Caused by: java.util.concurrent.TimeoutException: Waited 3 minutes"
    )
    found = str(pipeline_failed(RuntimeError(text)))
    assert "no module 'beam_scanner'" in found
    assert "Waited" not in found
