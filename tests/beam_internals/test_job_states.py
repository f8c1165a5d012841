"""Jobs of other services, by what was kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from beam_scanner.beam_internals.job_states import describe_job, job_state


class Service(beam_job_api_pb2_grpc.JobServiceServicer):
    def GetState(self, request: Any, context: Any) -> Any:
        if request.job_id != "job-7":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such job")
        state = beam_job_api_pb2.JobState.FAILED
        return beam_job_api_pb2.JobStateEvent(state=state)


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def test_a_job_service_is_asked(endpoint: str) -> None:
    known = describe_job(SimpleNamespace(_job_id="job-7"), endpoint)
    assert known == {"job": "job-7", "endpoint": endpoint}
    assert job_state(known) == "FAILED"
    assert job_state({**known, "job": "other"}) == ""
    assert job_state({**known, "endpoint": "127.0.0.1:9"}) == ""


def test_other_services_cannot_be_asked() -> None:
    known = describe_job(SimpleNamespace(job_id=lambda: "2024-01-01_7"), None)
    assert known == {"job": "2024-01-01_7", "endpoint": ""}
    assert job_state(known) == ""
    assert describe_job(None, None)["endpoint"] == ""
