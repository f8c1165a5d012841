"""The arguments of one stream."""

import beam_scanner
from beam_scanner.scannerpy.job import Job


def test_a_job_keeps_its_arguments() -> None:
    arguments = {"frames": "a.mp4"}
    assert Job(op_args=arguments).op_args() is arguments
    assert beam_scanner.Job is Job
