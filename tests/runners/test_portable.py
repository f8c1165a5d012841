"""What runners behind a job service need: a server that answers, and workers."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from beam_scanner import Client, NamedStream, PerfParams
from beam_scanner.errors import WorkerError
from beam_scanner.runners.portable import loopback_workers
from tests.support.refused_runs import check, refused


def test_a_job_server_must_be_there(nobody: str, listener: str) -> None:
    portable = "--runner=PortableRunner"
    loop = "--environment_type=LOOPBACK"
    check(portable, f"--job_endpoint={listener}", loop)
    refused("--job_endpoint is missing", portable)
    refused("nothing listens there", portable, f"--job_endpoint={nobody}", loop)
    refused("host:port", portable, "--job_endpoint=8099", loop)
    refused("host:port", portable, "--job_endpoint=localhost:x", loop)
    refused(
        f"--artifact_endpoint={nobody}: nothing",
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
    refused("is a path on this machine", *flags, image, url="/data/db")
    pool = "--environment_type=EXTERNAL"
    refused("--environment_config is missing", *flags, pool)
    refused("host:port", *flags, pool, "--environment_config=pool")
    check(*flags, pool, f"--environment_config={listener}", url="/data/db")
    with pytest.warns(UserWarning, match="nothing listens there"):
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


@pytest.mark.slow
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


@pytest.mark.parametrize("name", ["run_worker_1-1", "read_state"])
def test_workers_in_threads_are_waited_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their runner hangs up when it is done, which none of them has to tell."""
    told: list[str] = []
    monkeypatch.setattr(
        threading, "excepthook", lambda args: told.append(args.thread.name)
    )
    hung_up = threading.Event()

    def work() -> None:
        hung_up.wait(60)
        raise ValueError("Cannot invoke RPC on closed channel!")

    with loopback_workers():
        worker = threading.Thread(target=work, name=name)
        other = threading.Thread(target=work, name="other")
        worker.start()
        other.start()
        threading.Timer(0.2, hung_up.set).start()
    other.join()
    assert not worker.is_alive()
    assert told == ["other"]
