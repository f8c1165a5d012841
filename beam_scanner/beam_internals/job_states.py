"""The state of jobs that keep running after the program that submitted them has ended.

Beam's result objects give it only in the program that submitted the job. Other programs
ask the job service, by its address and the job's id, which are stored as text.

If Beam changes this: who waits for such a run is not told that its job has failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import grpc
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

_SECONDS = 10.0


def describe_job(result: Any, endpoint: str | None) -> dict[str, str]:
    """What to keep of a job that was submitted.

    Args:
        result: What Beam's runner has returned.
        endpoint: Address of the job service; None where there is none.

    Returns:
        ``job``, and ``endpoint``, which is empty where its state cannot be asked for.
    """
    job = getattr(result, "_job_id", None)
    if job is None:
        found = getattr(result, "job_id", None)
        # A template that was only written has none.
        with suppress(AttributeError):
            job = found() if callable(found) else None
        job = job or "of another service"
        endpoint = None
    return {"job": str(job), "endpoint": endpoint or ""}


def job_state(service: Mapping[str, str]) -> str:
    """The name of a job's state, as ``RUNNING``; '' if nobody can tell.

    Args:
        service: What :func:`describe_job` has returned.
    """
    if not service.get("endpoint"):
        return ""
    request = beam_job_api_pb2.GetJobStateRequest(job_id=service["job"])
    with grpc.insecure_channel(service["endpoint"]) as channel:
        stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
        try:
            found = stub.GetState(request, timeout=_SECONDS)
        except grpc.RpcError:
            return ""
    return str(beam_job_api_pb2.JobState.Enum.Name(found.state))
