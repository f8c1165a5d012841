"""Runs that are refused before anything is sent."""

from __future__ import annotations

import time
from typing import Any

import pytest

from beam_scanner import register_python_op
from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.runners.start import preflight

GS = "gs://bucket/db"


@register_python_op(name="PreflightAdd")
class Add(Kernel):
    def __init__(self, config: Any, by: Any) -> None:
        self.by = by

    def execute(self, x: Any) -> Any:
        return x + self.by


def check(*flags: str, url: str = GS) -> None:
    preflight(pipeline_options(flags), [url])


def refused(text: str, *flags: str, url: str = GS) -> None:
    began = time.monotonic()
    with pytest.raises(ArgumentError) as found:
        check(*flags, url=url)
    assert text in str(found.value)
    assert "\n" not in str(found.value)
    assert time.monotonic() - began < 20
