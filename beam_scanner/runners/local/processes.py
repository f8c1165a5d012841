"""Worker processes of this machine, for Beam's runner: forks of a fork server."""

from __future__ import annotations

import logging
import threading
import uuid
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from google.protobuf import json_format, text_format

from beam_scanner.runners.local import fork_client
from beam_scanner.runners.local.stopped_processes import wait_or_kill

_URN = "beam_scanner:env:forked:v1"


class WorkerProcesses:
    """The workers of one run.

    Args:
        died: Is told why, in a thread of its own, when a worker ends by an error.
    """

    def __init__(self, died: Callable[[str], None]) -> None:
        self.name = uuid.uuid4().hex
        self._died = died
        self._lock = threading.Lock()
        self._workers: list[fork_client.Fork] = []
        self._closed = False
        _runs[self.name] = self
        fork_client.get_ready()

    def environment(self) -> Environment:
        """For Beam's runner, which starts workers as it needs them."""
        return _Forked(self.name, python_sdk_capabilities())

    def start(self, variables: Mapping[str, str]) -> threading.Thread:
        """Starts a worker; gives a thread that ends with it."""
        level = logging.getLogger().getEffectiveLevel()
        request = fork_client.Request(
            ("beam_scanner.runners.local.worker", "main"),
            {"level": level},
            variables,
            forks=True,
        )
        with self._lock:
            if self._closed:
                raise RuntimeError("the run is over")
            worker = fork_client.Fork()
            self._workers.append(worker)
            fork_client.fork(worker, request)
        thread = threading.Thread(
            target=self._follow, args=[worker], name="run_worker", daemon=True
        )
        thread.start()
        return thread

    def interrupt(self) -> None:
        """Tells all workers that the user has interrupted the run."""
        with self._lock:
            for worker in self._workers:
                worker.interrupt()

    def kill(self) -> None:
        """Kills all workers; there will be no others."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()

    def _follow(self, worker: fork_client.Fork) -> None:
        code, stopped = wait_or_kill(worker)
        if stopped:
            self._died("it was stopped, and did not go on")
        elif code is None:
            self._died("it could not start, or the process that starts them has ended")
        elif code:
            self._died(f"exit code {code}")


_runs: weakref.WeakValueDictionary[str, WorkerProcesses]
_runs = weakref.WeakValueDictionary()


@Environment.register_urn(_URN, bytes)
class _Forked(Environment):  # type: ignore[misc]
    """Beam's name for the workers of a run."""

    def __init__(
        self,
        run: str,
        capabilities: Any = (),
        artifacts: Any = (),
        resource_hints: Any = None,
    ) -> None:
        super().__init__(capabilities, artifacts, resource_hints)
        self.run = run

    def __eq__(self, other: object) -> bool:
        return bool(super().__eq__(other)) and self.run == getattr(other, "run", None)

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.run))

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return _URN, self.run.encode()

    @staticmethod
    def from_runner_api_parameter(
        payload: bytes,
        capabilities: Any,
        artifacts: Any,
        resource_hints: Any,
        context: Any,
    ) -> _Forked:
        return _Forked(payload.decode(), capabilities, artifacts, resource_hints)


@WorkerHandler.register_environment(_URN, bytes)
class _Handler(GrpcWorkerHandler):  # type: ignore[misc]
    """What Beam's runner starts and stops a worker by."""

    def __init__(
        self, run: bytes, state: Any, provision_info: Any, grpc_server: Any
    ) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._run = _runs[run.decode()]
        self._thread: threading.Thread | None = None

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        self._thread = self._run.start(
            {
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
                "PIPELINE_OPTIONS": json_format.MessageToJson(options),
                "WORKER_ID": self.worker_id,
            }
        )

    def stop_worker(self) -> None:
        if self._thread is not None:
            self._thread.join()
