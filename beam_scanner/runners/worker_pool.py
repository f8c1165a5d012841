"""Python workers for a runner's EXTERNAL environment, as Flink's TaskManagers use it.

Run it beside each TaskManager, in the environment that kernels need::

    python -m beam_scanner.runners.worker_pool --port=8097

and give pipelines ``--environment_type=EXTERNAL --environment_config=localhost:8097``.
It takes the place of Beam's ``worker_pool_main``, which

* starts whatever is called ``python`` on the path; here workers have the interpreter
  and the modules of the pool;
* knows workers by a name that two TaskManagers may both give, and when one of them has
  no more work ends the other one's; here a worker ends with its TaskManager;
* leaves workers behind when it is ended; here they end with it;
* never reads what workers print, so that a kernel that prints a lot hangs.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from beam_scanner.beam_internals.log_echoes import DATA_PLANE
from beam_scanner.errors import WorkerError
from beam_scanner.runners.threads import heard_by
from beam_scanner.text.printable import log_handler, printable_warning

_CALLS = 16
_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 10.0
"""For a worker to finish what it is doing when its TaskManager has gone."""


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
    """Starts a process for each worker that a runner asks for.

    Args:
        port: Where to listen; 0 for any free port.
        host: Which address; everybody who can reach it can run code, so this machine's
            own by default.

    Attributes:
        address: ``host:port``.

    Raises:
        WorkerError: The port is taken.

    Examples:
        >>> with WorkerPool(port=0) as pool:
        ...     pool.address.startswith('localhost:')
        True
    """

    def __init__(self, port: int, host: str = "localhost") -> None:
        # By default two servers may share a port, and each gets some of the calls.
        self._server = grpc.server(
            ThreadPoolExecutor(_CALLS), options=[("grpc.so_reuseport", 0)]
        )
        beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(
            self, self._server
        )
        self._workers: list[subprocess.Popen[bytes]] = []
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise WorkerError(
                f"the worker pool cannot listen at {host}:{port}: another program does, "
                "or the address is not this machine's"
            ) from error
        self.address = f"{host}:{bound}"

    def __enter__(self) -> WorkerPool:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop(None).wait()
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()

    def StartWorker(self, request: Any, context: Any) -> Any:
        """Starts a worker."""
        command = [sys.executable, "-m", __spec__.name, "--worker"]
        command += [request.control_endpoint.url, request.worker_id]
        # Each task has a thread that reads; by default glibc gives every new thread
        # a heap of its own, and memory grows with the number of tasks.
        env = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        self._workers = [each for each in self._workers if each.poll() is None]
        try:
            worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env)
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=str(error))
        self._workers.append(worker)
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:
        """Does nothing: workers end when their runner hangs up."""
        return beam_fn_api_pb2.StopWorkerResponse()


def _work(control: str, name: str) -> None:
    """Serves a runner until it hangs up."""
    from beam_scanner.beam_internals.sdk_harness import Harness

    # A terminal interrupts all its processes; the pool ends its workers.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    warnings.formatwarning = printable_warning
    logging.basicConfig(handlers=[log_handler()])
    harness = Harness(control, name)
    threading.Thread(
        target=_leave_with, args=[os.getppid(), harness], name="pool", daemon=True
    ).start()
    # A runner that dies, or cancels its job, hangs up in the middle of all.
    logging.getLogger(DATA_PLANE).disabled = True
    hung_up = suppress(grpc.RpcError)
    with heard_by(lambda args: isinstance(args.exc_value, grpc.RpcError)), hung_up:
        harness.run()


def _leave_with(pool: int, harness: Any) -> None:
    """Ends this process, whatever it is doing, when its pool or its runner has gone."""
    left = _GRACE_SECONDS
    while os.getppid() == pool and left > 0:
        time.sleep(_LOOK_SECONDS)
        left = _GRACE_SECONDS if harness.is_connected() else left - _LOOK_SECONDS
    os._exit(1)


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until it is interrupted or terminated."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("--port", type=int, default=8097, help="default: %(default)s")
    parser.add_argument(
        "--host",
        default="localhost",
        help="address to listen at; whoever reaches it can run code; "
        "default: %(default)s",
    )
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        _work(*args.worker)
        return
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: over.set())
    with WorkerPool(args.port, args.host) as pool:
        print(f"worker pool at {pool.address}", flush=True)
        over.wait()


if __name__ == "__main__":
    main()
