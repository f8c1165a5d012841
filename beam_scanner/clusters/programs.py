"""Command line programs of clouds and clusters, without a shell."""

from __future__ import annotations

import json
import logging
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from beam_scanner.errors import MissingDependencyError, WorkerError

_LOGGER = logging.getLogger(__name__)

_FROM = {
    "gcloud": "the Google Cloud CLI, https://cloud.google.com/sdk/docs/install",
    "eksctl": "eksctl, https://eksctl.io/installation",
    "aws": "the AWS CLI, https://docs.aws.amazon.com/cli",
    "az": "the Azure CLI, https://learn.microsoft.com/cli/azure/install-azure-cli",
    "kubectl": "kubectl, https://kubernetes.io/docs/tasks/tools",
}
_SHOWN = 2000


def program(name: str) -> str:
    """The path of a program.

    Raises:
        MissingDependencyError: It is not installed; says where it comes from.

    Examples:
        >>> program('/no/such/gcloud')
        Traceback (most recent call last):
        beam_scanner.errors.MissingDependencyError: there is no program '/no/such/gcloud'
    """
    found = shutil.which(name)
    if found is None:
        where = f": install {_FROM[name]}" if name in _FROM else ""
        raise MissingDependencyError(f"there is no program {name!r}{where}")
    return found


def run(command: Sequence[str]) -> str:
    """Runs a program to its end.

    Args:
        command: The program and its arguments.

    Returns:
        What it has printed.

    Raises:
        MissingDependencyError: It is not installed.
        WorkerError: It has failed; has the end of what it said.
    """
    _LOGGER.info("%s", shlex.join(command))
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_SHOWN:]
        raise WorkerError(
            f"{shlex.join(command)} has failed ({done.returncode}): {said}"
        )
    return done.stdout


def run_json(command: Sequence[str]) -> Any:
    """As :func:`run`, for a program that prints JSON.

    Raises:
        WorkerError: It prints something else.
    """
    text = run(command)
    try:
        return json.loads(text or "null")
    except ValueError as error:
        raise WorkerError(
            f"{shlex.join(command)} has printed no JSON: {text.strip()[:_SHOWN]}"
        ) from error
