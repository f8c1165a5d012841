"""Levels: few samples, of the whole time."""

from __future__ import annotations

import time

import pytest

from beam_scanner.measure import levels
from beam_scanner.measure.levels import Levels


def test_samples_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "MOST_SAMPLES", 8)
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    found = Levels()
    for tick in range(10_000):
        if found.are_due():
            found.add({"rows": tick})
        now[0] += 0.01
    times = [when for when, _ in found.samples]
    assert 4 <= len(times) <= 8
    assert times == sorted(times)
    assert times[0] == 1000.0
    assert times[-1] > 1040.0
