"""What a client refuses before it does anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner import CacheMode, NamedStream, PerfParams
from beam_scanner.errors import ArgumentError, GraphError, ScannerException
from tests.support.client_helpers import open_client


def graph(sc: Any) -> Any:
    NamedStream(sc, "in").save([1, 2], Any)
    return sc.io.Output(sc.io.Input([NamedStream(sc, "in")]), [NamedStream(sc, "out")])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"outputs": None}, (ArgumentError, GraphError)),
        ({"outputs": []}, (ArgumentError, GraphError)),
        ({"outputs": ["out"]}, (ArgumentError, GraphError)),
        ({"perf_params": 32}, ArgumentError),
        ({"perf_params": CacheMode.Ignore}, ArgumentError),
        ({"perf_params": PerfParams}, ArgumentError),
        ({"cache_mode": "overwrite"}, ArgumentError),
        ({"cache_mode": None}, ArgumentError),
    ],
)
def test_arguments_of_run_are_checked(sc: Any, arguments: Any, error: Any) -> None:
    given = {"outputs": graph(sc), "perf_params": PerfParams.estimate(), **arguments}
    outputs = given.pop("outputs")
    with pytest.raises(error):
        sc.run(outputs, given.pop("perf_params"), show_progress=False, **given)
    assert not NamedStream(sc, "out").committed()


def test_a_run_has_a_number_and_a_report(sc: Any) -> None:
    outputs = graph(sc)
    job = sc.run(outputs, PerfParams.estimate(), show_progress=False)
    assert sc.report(job).committed == ["out"]
    with pytest.raises(ScannerException):
        sc.report(job + 1)
    mode = CacheMode.Ignore
    # There was nothing to do, so nothing has a number.
    assert sc.run(outputs, PerfParams.estimate(), mode, show_progress=False) is None


@pytest.mark.parametrize("given", [(), (None,)])
def test_packet_sizes_are_estimated_where_none_are_given(sc: Any, given: Any) -> None:
    outputs = graph(sc)
    plan = sc.explain(outputs, PerfParams.estimate())
    assert str(sc.explain(outputs, *given)) == str(plan)
    job = sc.run(outputs, *given, show_progress=False)
    assert sc.report(job).committed == ["out"]
    assert list(NamedStream(sc, "out").load()) == [1, 2]
    # The same graph, so its result is there.
    estimate = PerfParams.estimate()
    assert sc.run(outputs, estimate, CacheMode.Ignore, show_progress=False) is None


def test_a_job_that_is_over_is_not_waited_for(sc: Any) -> None:
    job = sc.run(graph(sc), PerfParams.estimate(), show_progress=False)
    status = sc.wait_on_job(job, show_progress=False)
    assert status.finished
    assert status.result.success
    assert sc.get_active_jobs() == []


def test_a_client_names_its_database(tmp_path: Path) -> None:
    with open_client(tmp_path / "db") as sc:
        assert sc.db_path == str(tmp_path / "db")
        assert sc.summarize() == open_client(tmp_path / "db").summarize()
    # Looking makes nothing.
    assert not (tmp_path / "db").exists()
