"""What a runner could only fail at, or wait for, is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner import Client, NamedStream, PerfParams
from beam_scanner.errors import ArgumentError
from beam_scanner.runners import flink
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.runners.start import ends_with_us
from tests.support.refused_runs import refused


def test_typed_options_exclude_each_other() -> None:
    with pytest.raises(ArgumentError, match="job_endpoint and job_server_jar"):
        flink.options(job_endpoint="localhost:1", job_server_jar="a.jar")
    with pytest.raises(ArgumentError, match="worker_pool and image"):
        flink.options(job_endpoint="localhost:1", worker_pool="a:1", image="b")


def test_an_unknown_runner() -> None:
    refused("NoSuchRunner", "--runner=NoSuchRunner")


@pytest.mark.parametrize(
    ("flags", "ends"),
    [
        ([], True),
        (["--runner=PrismRunner"], True),
        (["--runner=PortableRunner", "--environment_type=LOOPBACK"], True),
        (["--runner=PortableRunner", "--environment_type=EXTERNAL"], False),
        (["--runner=DataflowRunner"], False),
    ],
)
def test_which_runs_end_with_this_process(flags: list[str], ends: bool) -> None:
    assert ends_with_us(pipeline_options(flags)) is ends


@pytest.mark.parametrize("fault", ["no job server", "an iterator"])
def test_a_run_that_is_refused_leaves_nothing(
    fault: str, nobody: str, listener: str, tmp_path: Path
) -> None:
    address = nobody if fault == "no job server" else listener
    by = (n for n in [1]) if fault == "an iterator" else 1
    match = "nothing listens" if fault == "no job server" else "'by' of op PreflightAdd"
    pool = ["--environment_type=EXTERNAL", f"--environment_config={listener}"]
    flags = ["--runner=PortableRunner", f"--job_endpoint={address}", *pool]
    with Client(db_path=str(tmp_path), options=flags) as sc:
        given, made = NamedStream(sc, "in"), NamedStream(sc, "out")
        given.save(range(3), Any)
        before = {str(f) for f in tmp_path.rglob("*") if f.is_file()}
        added = sc.ops.PreflightAdd(x=sc.io.Input([given]), by=by)
        output = sc.io.Output(added, [made])
        with pytest.raises(ArgumentError, match=match):
            sc.run(output, PerfParams.manual(1, 1), show_progress=False)
        assert {str(f) for f in tmp_path.rglob("*") if f.is_file()} == before
        assert not made.committed()
