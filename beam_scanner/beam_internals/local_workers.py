"""Worker processes of our own for Beam's local runner, the FnApiRunner.

The runner starts a worker for each environment by a *worker handler*, found by the
environment's URN. Ours hands the request to whoever started the run. Beam's own handler
for processes runs a shell command: a new interpreter that loads Beam for two seconds,
whose death nobody notices.

If Beam changes this: local runs with worker processes fail at their start ("no worker
handler"), or hang because workers never connect.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Mapping
from typing import Any, Protocol

from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from google.protobuf import json_format, text_format

from beam_scanner.beam_internals.shared_bundles import SharingRunner

_URN = "beam_scanner:env:forked:v1"


class Starter(Protocol):
    """Starts the workers of one run."""

    def start(self, variables: Mapping[str, str]) -> threading.Thread:
        """Starts a worker.

        Args:
            variables: Environment variables that tell Beam's harness where its runner
                is.

        Returns:
            A thread that ends with the worker.
        """


def local_runner(workers: Starter | None = None) -> SharingRunner:
    """Beam's local runner.

    Args:
        workers: Starts its workers; they are threads of this process if None.
    """
    if workers is None:
        return SharingRunner()
    name = uuid.uuid4().hex
    _starters[name] = workers
    return SharingRunner(_Forked(name, python_sdk_capabilities()))


_starters: weakref.WeakValueDictionary[str, Starter]
_starters = weakref.WeakValueDictionary()


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
        self._starter = _starters[run.decode()]
        self._thread: threading.Thread | None = None

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        self._thread = self._starter.start(
            {
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
                "PIPELINE_OPTIONS": json_format.MessageToJson(options),
                "WORKER_ID": self.worker_id,
            }
        )

    def stop_worker(self) -> None:
        if self._thread is not None:
            self._thread.join()
