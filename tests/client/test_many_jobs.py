"""Runs of more jobs than are checked before they begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner import Client, JobFailure, NamedStream, PerfParams, prepare


def test_workers_check_what_the_driver_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "CHECKED_JOBS", 1)
    flags = ["--direct_running_mode=in_memory"]
    sc = Client(db_path=str(tmp_path / "db"), options=flags)
    inputs = [NamedStream(sc, f"in{i}") for i in range(2)]
    for stream in inputs:
        stream.save([1, 2, 3, 4], ty=Any)
    column = sc.io.Input(inputs)
    few = sc.streams.Range(column, [(0, 2), (0, 4)])
    outputs = [
        sc.io.Output(column, [NamedStream(sc, f"all{i}") for i in range(2)]),
        sc.io.Output(few, [NamedStream(sc, f"few{i}") for i in range(2)]),
    ]
    with pytest.raises(JobFailure, match="equal numbers of rows") as caught:
        sc.run(outputs, PerfParams.estimate())
    assert [failure.stream for failure in caught.value.failures] == ["all0"]
    assert not NamedStream(sc, "few0").committed()
    assert list(NamedStream(sc, "few1").load()) == [1, 2, 3, 4]
