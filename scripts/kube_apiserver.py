"""Builds Kubernetes' API server and etcd, for tests, from their sources.

    python scripts/kube_apiserver.py      10 to 30 minutes, once

Go fetches the sources and compiles them, as its own environment variables say; both are
one program of two names, in ``.cache/kube``. Their versions are in ``kube/go.mod``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "scripts" / "kube"
FOLDER = ROOT / ".cache" / "kube"
PROGRAMS = ("kube-apiserver", "etcd")
_SMALL = ("-trimpath", "-ldflags=-s -w")


class KubeMissing(Exception):
    """The programs are not there, or cannot be built; says why."""


def missing() -> str | None:
    """Why the programs are not there; None if they are."""
    stamp = FOLDER / "stamp"
    there = all((FOLDER / name).exists() for name in PROGRAMS)
    if there and stamp.exists() and stamp.read_text() == _digest():
        return None
    return "Kubernetes' API server is not built: python scripts/kube_apiserver.py"


def build() -> None:
    """Builds the programs, unless they are there.

    Raises:
        KubeMissing: Go is missing, or fails.
    """
    if missing() is None:
        return
    if shutil.which("go") is None:
        raise KubeMissing("Go is needed to build Kubernetes: see https://go.dev/dl")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        made = Path(scratch) / PROGRAMS[0]
        done = subprocess.run(
            ["go", "build", "-buildvcs=false", *_SMALL, "-o", made, "."],
            cwd=SOURCE,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KubeMissing(f"go build failed:\n{done.stderr.strip()[-2000:]}")
        os.replace(made, FOLDER / PROGRAMS[0])
    for name in PROGRAMS[1:]:
        (FOLDER / name).unlink(missing_ok=True)
        (FOLDER / name).symlink_to(PROGRAMS[0])
    (FOLDER / "stamp").write_text(_digest())


def _digest() -> str:
    files = [SOURCE / name for name in ("go.mod", "go.sum", "main.go")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def main() -> int:
    """Builds, and says where."""
    begin = time.monotonic()
    if missing() is not None:
        print("building Kubernetes' API server (once; 10 to 30 minutes)", flush=True)
    try:
        build()
    except KubeMissing as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    print(f"Kubernetes' API server is in {FOLDER} ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
