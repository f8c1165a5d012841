"""Runs of more jobs than are checked before they begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    Client,
    FrameType,
    JobFailure,
    NamedStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import ElementTypeError
from beam_scanner.run import prepare


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


@register_python_op(name="ManyJobsDouble")
def double(config: Any, x: float) -> float:
    return 2 * x


@register_python_op(name="ManyJobsLast", unbounded_state=True)
def last(config: Any, x: float) -> float:
    return x


def test_workers_check_the_types_of_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--direct_running_mode=in_memory"]
    sc = Client(db_path=str(tmp_path / "db"), options=flags)
    inputs = [NamedStream(sc, f"in{i}") for i in range(3)]
    inputs[0].save([1.5], ty=float)
    inputs[1].save([3], ty=int)
    inputs[2].save([np.zeros((4, 6, 3), np.uint8)], ty=FrameType)
    outputs = [NamedStream(sc, f"out{i}") for i in range(3)]
    # The second phase reads a stream that the first has made.
    doubled = sc.ops.ManyJobsDouble(x=sc.io.Input(inputs))
    output = sc.io.Output(sc.ops.ManyJobsLast(x=doubled), outputs)
    with pytest.raises(ElementTypeError, match="'in0' holds float, 'in1' holds int"):
        sc.run(output, PerfParams.estimate())
    monkeypatch.setattr(prepare, "CHECKED_JOBS", 1)
    with pytest.raises(JobFailure) as caught:
        sc.run(output, PerfParams.estimate())
    reasons = {failure.stream: failure.reason for failure in caught.value.failures}
    assert list(reasons) == ["out1", "out2"]
    assert "first holds float, 'in1' holds int" in reasons["out1"]
    assert "first holds float, 'in2' holds FrameType" in reasons["out2"]
    assert list(outputs[0].load()) == [3.0]
