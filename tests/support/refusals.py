"""What the tests of bad input share."""

from __future__ import annotations

import pytest

from beam_scanner import (
    JobFailure,
    PerfParams,
    ScannerException,
)
from tests.support.client_helpers import files_of


def run(sc, outputs, perf=None, **kwargs):
    kwargs.setdefault("show_progress", False)
    return sc.run(outputs, perf or PerfParams.estimate(), **kwargs)


def failures_of(sc, outputs, perf=None, **kwargs):
    with pytest.raises(JobFailure) as caught:
        run(sc, outputs, perf, **kwargs)
    assert isinstance(caught.value, ScannerException)
    assert isinstance(caught.value, RuntimeError)
    return caught.value.failures


def refused(sc, outputs, builtin, match, **kwargs):
    """The run is refused before it starts, and leaves nothing."""
    before = files_of(sc.db_path)
    with pytest.raises(ScannerException, match=match) as caught:
        run(sc, outputs, **kwargs)
    assert isinstance(caught.value, builtin)
    after = files_of(sc.db_path)
    # Indexes of videos, which are no results.
    assert {name for name in after - before if ".segments/" not in name} <= {
        "clip/stream.json",
        "clip2/stream.json",
    }
    return caught.value
