"""Local servers that speak the protocols of Google Cloud Storage and of S3.

Between them and whoever asks stands a forwarder that counts what passes.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from beam_scanner.stores import open_store
from beam_scanner.stores.patterns import Pattern
from scripts.runner_services import free_ports
from tests.support.folders import ROOT

_START_SECONDS = 60

# Nothing in moto keeps other threads out between its check of 'If-None-Match' and its
# write.
_MOTO = """
import sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple

class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_request(self, *_): pass

app, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

def one_at_a_time(environ, start_response):
    with lock:
        return list(app(environ, start_response))

run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True,
           request_handler=Quiet)
"""

# Beam, whatever --no_auth says, looks for credentials for 20 s in each process, and only
# then goes without. The server asks nobody for any, and these need no refreshing.
_CREDENTIALS = {
    "type": "authorized_user",
    "client_id": "nobody",
    "client_secret": "none",
    "refresh_token": "none",
    "token": "none",
    "expiry": "2100-01-01T00:00:00Z",
    "quota_project_id": "test",
}


def missing(what: str) -> None:
    """Skips the test, or fails it where every server must be there."""
    if os.environ.get("REQUIRE_RUNNERS") == "1":
        pytest.fail(f"REQUIRE_RUNNERS=1, but {what}")
    pytest.skip(what)


class Forwarder:
    """Passes connections on to a port, and counts.

    Attributes:
        port: Where it listens.
        sent: Bytes that came from the server: answers with their headers.
        received: Bytes that went to the server.
        requests: (method, path, (first, last) of the range or None).
        lose_answers: How many answers to uploads are to get lost.
        replace: Bytes of requests that are changed into others, of equal length.
        refuse: Answered to every request instead of asking the server.
    """

    _REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) (\S+) HTTP/1\.1\r\n")
    _RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-(\d*)\r\n", re.IGNORECASE)

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.reset()
        self.lose_answers = 0
        self.replace: tuple[bytes, bytes] = (b"", b"")
        self.refuse = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        self.sent = self.received = 0
        self.requests: list[tuple[str, str, tuple[int, int] | None]] = []

    def reads(self) -> list[tuple[int, int] | None]:
        """The ranges of all GETs."""
        return [span for method, _, span in self.requests if method == "GET"]

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                state = {"upload": False}
                for pair in ((near, far, True), (far, near, False)):
                    arguments = (*pair, state)
                    threading.Thread(
                        target=self._pass, args=arguments, daemon=True
                    ).start()

    def _pass(self, source, target, to_server, state) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if to_server:
                    data = self._request(data, state)
                    if self.refuse:
                        source.sendall(self.refuse)
                        break
                elif self._answer(data, state):
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _answer(self, data: bytes, state: dict[str, bool]) -> bool:
        """Counts; says whether this answer gets lost."""
        with self._lock:
            self.sent += len(data)
            lost = self.lose_answers > 0 and state["upload"]
            self.lose_answers -= lost
        return lost

    def _request(self, data: bytes, state: dict[str, bool]) -> bytes:
        found = self._REQUEST.match(data)
        with self._lock:
            self.received += len(data)
            if found:
                span = self._RANGE.search(data)
                spans = (int(span[1]), int(span[2] or 0)) if span else None
                method, path = found[1].decode(), found[2].decode()
                self.requests.append((method, path, spans))
                state["upload"] = method in ("PUT", "POST")
        old, new = self.replace
        return data.replace(old, new) if old else data


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} does not answer at {url}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)


@contextmanager
def running(command: list[str], url: str):
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(process, url)
            yield
        finally:
            process.kill()


class GcsServer:
    """fake-gcs-server, a process, with the environment that leads to it."""

    scheme = "gs"

    def __init__(self, stack: ExitStack) -> None:
        done = subprocess.run(
            [ROOT / "scripts" / "fetch_fake_gcs.sh"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            missing(f"fake-gcs-server cannot be had: {done.stderr.strip()[-300:]}")
        (port,) = free_ports(1)
        self.forwarder = Forwarder(port)
        stack.callback(self.forwarder.close)
        url = f"http://127.0.0.1:{port}"
        public = f"127.0.0.1:{self.forwarder.port}"
        # Answers to uploads in pieces name the address for the next piece.
        command = f"{done.stdout.strip()} -scheme http -host 127.0.0.1 -port {port} "
        command += (
            f"-backend memory -public-host {public} -external-url http://{public}"
        )
        stack.enter_context(running(command.split(), f"{url}/storage/v1/b"))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        credentials = folder / "credentials.json"
        credentials.write_text(json.dumps(_CREDENTIALS))
        self.environment = {
            "STORAGE_EMULATOR_HOST": f"http://{public}",
            "NO_GCE_CHECK": "true",
            "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
        }

    def make_bucket(self) -> str:
        from google.cloud import storage

        name = f"test-{uuid.uuid4().hex[:12]}"
        storage.Client(project="test").create_bucket(name)
        return f"gs://{name}"


class S3Server:
    """moto's server, a process, with the environment that leads to it."""

    scheme = "s3"

    def __init__(self, stack: ExitStack) -> None:
        try:
            import moto.server  # noqa: F401
        except ImportError as error:
            missing(f"moto's server cannot be had: {error}")
        (port,) = free_ports(1)
        self.forwarder = Forwarder(port)
        stack.callback(self.forwarder.close)
        command = [sys.executable, "-c", _MOTO, str(port)]
        stack.enter_context(running(command, f"http://127.0.0.1:{port}/"))
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.forwarder.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def make_bucket(self) -> str:
        from beam_scanner.stores import s3

        name = f"test-{uuid.uuid4().hex[:12]}"
        s3._client().create_bucket(Bucket=name)
        return f"s3://{name}"


SERVERS = {"gs": GcsServer, "s3": S3Server}


def match_objects(pattern: str) -> list[str]:
    """URLs of all objects that match a pattern."""
    wanted = Pattern(pattern)
    keys = open_store(wanted.root).list()
    return [wanted.root + key for key in keys if wanted.matches(key)]
