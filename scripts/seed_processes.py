"""Runs seeds in a process of its own, in which each may crash, hang or want memory."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any


def outcomes_of(
    command: Sequence[str], first: int, stop: int, seconds: float, memory: int
) -> Iterator[dict[str, Any]]:
    """The outcomes of seeds, up to one that ends the process, which is a finding.

    Args:
        command: Prints a line of JSON before each seed, ``{"began": seed}``, and its
            outcome after it.
        first: The first seed.
        stop: The seed after the last.
        seconds: That a seed may take.
        memory: Of the process, in MiB.
    """
    with tempfile.TemporaryFile() as log:
        yield from _outcomes(command, log, first, stop, seconds, memory)


def _outcomes(
    command: Sequence[str],
    log: IO[bytes],
    first: int,
    stop: int,
    seconds: float,
    memory: int,
) -> Iterator[dict[str, Any]]:
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_AS, (memory << 20, memory << 20)
        ),
    )
    seed, ready = first, False
    try:
        for line in _lines(child, seconds):
            if "began" in line:
                seed, ready = line["began"], True
            else:
                yield line
                seed += 1
        if not ready:
            log.seek(0)
            raise SystemExit(f"a process did not start:\n{log.read().decode()}")
        if seed < stop:
            reason = "the process took too long"
            if child.poll() is not None:
                log.seek(0)
                said = log.read().decode(errors="replace")[-2000:]
                reason = f"the process ended with code {child.returncode}: {said}"
            yield {"seed": seed, "findings": [reason]}
    finally:
        child.kill()
        child.wait()


def _lines(child: subprocess.Popen[bytes], seconds: float) -> Iterator[dict[str, Any]]:
    """What a child prints, until it ends or is silent for so long."""
    assert child.stdout is not None
    held = b""
    while select.select([child.stdout], [], [], seconds)[0]:
        piece = os.read(child.stdout.fileno(), 1 << 16)
        if not piece:
            child.wait()
            return
        *lines, held = (held + piece).split(b"\n")
        yield from map(json.loads, lines)
