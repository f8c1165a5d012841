"""Outputs that the same tasks make: all are stored, or none where one was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.graph.builder import IOGenerator, OpGenerator
from beam_scanner.kernels import register_python_op
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run import launch
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.prepare import prepare
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage import NamedStorage, NamedStream, gc
from tests.support.small_runs import IN_MEMORY

THEIRS = 7


@register_python_op(name="WhileOthersWrite")
def while_others_write(config: Any, x: Any) -> Any:
    """Another program stores a stream while this runs."""
    stream = NamedStream(NamedStorage(config.args["db"]), config.args["name"])
    if not stream.committed() or list(stream.load()) != [THEIRS]:
        stream.save([THEIRS], Any)
    return x


@pytest.mark.parametrize("taken", [0, 1])
@pytest.mark.parametrize("mode", list(CacheMode))
def test_none_is_stored_where_one_was_replaced(
    tmp_path: Path, taken: int, mode: CacheMode
) -> None:
    db = str(tmp_path / "db")
    storage = NamedStorage(db)
    given = NamedStream(storage, "given")
    given.save([1, 2, 3], Any)
    outputs = [NamedStream(storage, f"output {number}") for number in range(2)]
    if mode is not CacheMode.Error:
        for output in outputs:
            output.save([0], Any)
    io, ops = IOGenerator(storage), OpGenerator(storage)
    made = ops.WhileOthersWrite(x=io.Input([given]), db=db, name=f"output {taken}")
    graph = [io.Output(made, [output]) for output in outputs]
    prepared = prepare(graph, PerfParams.manual(2, 4), mode, storage)
    report = launch.execute(prepared, storage, pipeline_options(IN_MEMORY), False)
    (failure,) = report.failures
    assert f"'output {taken}' was replaced by another run at 20" in failure.reason
    assert list(outputs[taken].load()) == [THEIRS]
    kept = outputs[1 - taken]
    assert not kept.committed() if mode is CacheMode.Error else list(kept.load()) == [0]
    assert gc(storage).keys == ()
