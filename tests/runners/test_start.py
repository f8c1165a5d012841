"""What a runner could only fail at, or wait for, is refused before anything is sent."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beam_scanner import Client, NamedStream, PerfParams, register_python_op
from beam_scanner.errors import ArgumentError, WorkerError
from beam_scanner.kernels import Kernel
from beam_scanner.runners import flink, prism
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.runners.start import ends_with_us, preflight

GS = "gs://bucket/db"


@register_python_op(name="PreflightAdd")
class Add(Kernel):
    def __init__(self, config: Any, by: Any) -> None:
        self.by = by

    def execute(self, x: Any) -> Any:
        return x + self.by


@pytest.fixture(scope="module")
def listener() -> Iterator[str]:
    """An address where somebody listens."""
    with socket.create_server(("localhost", 0)) as server:
        yield f"localhost:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return f"localhost:{one.getsockname()[1]}"


def check(*flags: str, url: str = GS) -> None:
    preflight(pipeline_options(flags), [url])


def refused(text: str, *flags: str, url: str = GS) -> None:
    began = time.monotonic()
    with pytest.raises(ArgumentError) as found:
        check(*flags, url=url)
    assert text in str(found.value)
    assert "\n" not in str(found.value)
    assert time.monotonic() - began < 20


def test_a_job_server_must_be_there(nobody: str, listener: str) -> None:
    portable = "--runner=PortableRunner"
    loop = "--environment_type=LOOPBACK"
    check(portable, f"--job_endpoint={listener}", loop)
    refused("--job_endpoint is missing", portable)
    refused("nobody listens there", portable, f"--job_endpoint={nobody}", loop)
    refused("host:port", portable, "--job_endpoint=8099", loop)
    refused("host:port", portable, "--job_endpoint=localhost:x", loop)
    refused(
        f"--artifact_endpoint={nobody}: nobody",
        portable,
        f"--job_endpoint={listener}",
        f"--artifact_endpoint={nobody}",
        loop,
    )


def test_workers_must_be_possible(listener: str, nobody: str) -> None:
    flags = ["--runner=PortableRunner", f"--job_endpoint={listener}"]
    refused("expected one of DOCKER", *flags, "--environment_type=VM")
    refused("Beam's own image has neither", *flags)
    refused("Beam's own image has neither", *flags, "--environment_type=DOCKER")
    image = "--environment_config=repository/image:1"
    check(*flags, image)
    refused("is a place of this machine", *flags, image, url="/data/db")
    pool = "--environment_type=EXTERNAL"
    refused("--environment_config is missing", *flags, pool)
    refused("host:port", *flags, pool, "--environment_config=pool")
    check(*flags, pool, f"--environment_config={listener}", url="/data/db")
    with pytest.warns(UserWarning, match="nobody listens there"):
        check(*flags, pool, f"--environment_config={nobody}")
    with pytest.warns(UserWarning, match="must have the folder '/data/db'"):
        check(*flags, pool, "--environment_config=flink-7:8097", url="/data/db")
    process = "--environment_type=PROCESS"
    refused("a command that starts a worker", *flags, process)
    refused("a JSON object", *flags, process, "--environment_config=boot")
    check(*flags, process, '--environment_config={"command": "/boot"}')


def test_workers_elsewhere_cannot_reach_this_process(
    listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(address: Any, timeout: float) -> socket.socket:
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    refused(
        "makes this process the worker",
        "--runner=PortableRunner",
        "--job_endpoint=flink.example.org:8099",
        "--environment_type=LOOPBACK",
    )


def test_prism_must_be_there(
    tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "--runner=PrismRunner"
    gone = f"--prism_location={tmp_path / 'gone'}"
    refused("expected a program", name, gone)
    refused("expected a program", "--runner=DirectRunner", gone)
    refused("nobody listens there", name, f"--job_endpoint={nobody}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GOBIN", str(tmp_path))
    refused("go install", name)
    (tmp_path / "prism").touch(0o755)
    check(name)
    check(name, f"--prism_location={tmp_path / 'prism'}")
    prism.options(location=tmp_path / "prism")
    with pytest.raises(ArgumentError, match="expected a program"):
        prism.options(location=tmp_path / "gone")


def test_a_job_server_of_ones_own_needs_java_and_a_jar(
    tmp_path: Path, nobody: str
) -> None:
    name = "--runner=FlinkRunner"
    jar = tmp_path / "server.jar"
    jar.touch()
    java = tmp_path / "java"
    java.touch(0o755)
    launcher = f"--job_server_java_launcher={java}"
    refused("--flink_job_server_jar is missing", name, launcher)
    refused("no such file", name, launcher, "--flink_job_server_jar=/no.jar")
    with_jar = f"--flink_job_server_jar={jar}"
    refused("needs Java", name, with_jar, "--job_server_java_launcher=no-java")
    check(name, launcher, with_jar)
    refused("--flink_master=", name, with_jar, f"--flink_master={nobody}")
    refused("expected one of", name, with_jar, launcher, "--environment_type=VM")


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
    match = "nobody listens" if fault == "no job server" else "'by' of op PreflightAdd"
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


def test_somebody_who_is_no_job_server(listener: str, tmp_path: Path) -> None:
    pool = ["--environment_type=EXTERNAL", f"--environment_config={listener}"]
    flags = [f"--job_endpoint={listener}", "--job_server_timeout=2", *pool]
    with Client(
        db_path=str(tmp_path), options=["--runner=PortableRunner", *flags]
    ) as sc:
        given, made = NamedStream(sc, "in"), NamedStream(sc, "out")
        given.save(range(3), Any)
        added = sc.ops.PreflightAdd(x=sc.io.Input([given]), by=1)
        with pytest.raises(WorkerError, match=f"{listener} does not answer"):
            sc.run(
                sc.io.Output(added, [made]),
                PerfParams.manual(1, 1),
                show_progress=False,
            )
