"""What Dataflow's launcher does in the container: one call of the Python file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.dockerfiles import variables
from tests.support.folders import ROOT

STAGING = "staging/template_launches/2026-01-01_00_00_00-1/job_object"


def credentials(folder: Path, token_url: str) -> Path:
    """A service account, as the launcher's machine has one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "launcher@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_url,
    }
    file = folder / "account.json"
    file.write_text(json.dumps(account))
    return file


def launch(
    parameters: Mapping[str, str],
    bucket: str,
    environment: Mapping[str, str],
    worker_image: str = "repo/worker:1",
    timeout: float = 240,
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Starts the template with parameters.

    Args:
        parameters: As a user gives them.
        bucket: URL of the bucket for temporary and staged files.
        environment: More variables of the container.
        worker_image: Of the template's default environment.
        timeout: In seconds, after which the program counts as blocking.

    Returns:
        How the program ended, and after how many seconds.
    """
    file = ROOT / Path(variables("launcher")["FLEX_TEMPLATE_PYTHON_PY_FILE"]).name
    flags = {
        **parameters,
        "job_name": "films",
        "labels": json.dumps({"goog-dataflow-provided-template-type": "flex"}),
        "project": "my-project",
        "region": "us-central1",
        "runner": "DataflowRunner",
        "sdk_container_image": worker_image,
        "service_account_email": "worker@my-project.iam.gserviceaccount.com",
        "staging_location": f"{bucket}/staging",
        "temp_location": f"{bucket}/tmp",
        "template_location": f"{bucket}/{STAGING}",
    }
    command = [f"--{name}={value}" for name, value in sorted(flags.items())]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(file), *command],
        env={**os.environ, "NO_GCE_CHECK": "true", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done, time.monotonic() - began
