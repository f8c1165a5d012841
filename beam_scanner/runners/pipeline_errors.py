"""One line that says why a pipeline failed, from what its runner reports."""

from __future__ import annotations

import re

from beam_scanner.errors import GO_ON, ScannerException, WorkerError

_TRACEBACK = "Traceback (most recent call last):"
_JAVA_CAUSE = "Caused by: "
_BY_JOB_SERVER = re.compile(r"\APipeline \S+ failed in state \w+: ")
_NO_CLIENT = "No client connected within timeout"
"""What Flink says if a worker could load no step of its first stage."""

_NO_MODULE = re.compile(r"No module named '([\w.]+)'")


def pipeline_failed(error: Exception) -> ScannerException:
    """The error of a run whose pipeline has failed.

    Args:
        error: What Beam raised.

    Examples:
        >>> text = '''Pipeline a-1 failed in state FAILED: Traceback (most recent call last):
        ...   File "worker.py", line 3, in work
        ... KeyError: 'a' [while running 'Run']
        ... 	at org.apache.beam.Worker(Worker.java:7)'''
        >>> print(pipeline_failed(RuntimeError(text)))
        the pipeline failed (KeyError: 'a' [while running 'Run']). Finished tasks are \
kept; running it again resumes from there
    """
    if isinstance(error, ScannerException):
        return error
    text = _BY_JOB_SERVER.sub("", str(error), count=1)
    reason = reason_of(text)
    module = _NO_MODULE.search(reason)
    if module is not None:
        return WorkerError(
            f"workers have no module {module[1]!r}: it must be installed where they "
            f"run, in the version that is installed here. {GO_ON}"
        )
    if _NO_CLIENT in text:
        return WorkerError(
            "workers were started and did not begin, as they do where there is no module "
            "'beam_scanner': it must be installed where they run, in the version that is "
            f"installed here. Their log says why. {GO_ON}"
        )
    if text == str(error) and len(text.strip().splitlines()) < 2:
        reason = f"{type(error).__name__}: {reason}"
    return WorkerError(f"the pipeline failed ({reason}). {GO_ON}")


def reason_of(text: str) -> str:
    r"""The line of an error's text that says why: the end of its last traceback.

    Examples:
        >>> reason_of('Job failed.\n\tat a.b(C.java:1)\nCaused by: a.Broken: pipe')
        'a.Broken: pipe'
    """
    lines = [line.rstrip() for line in text.strip().splitlines()] or [""]
    raised = ""
    inside = False
    for line in lines:
        if _TRACEBACK in line:
            inside = True
        elif inside and line and not line[0].isspace():
            raised, inside = line, False
    causes = [line for line in lines if line.startswith(_JAVA_CAUSE)]
    if raised:
        return raised
    if causes:
        return causes[-1].removeprefix(_JAVA_CAUSE)
    return lines[-1].strip()
