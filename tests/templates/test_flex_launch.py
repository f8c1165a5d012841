"""The launcher's entry point: the job is made and submitted, and nobody waits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from beam_scanner.stores import open_store
from tests.support.flex_launcher import STAGING, credentials, launch
from tests.support.job_graph import crossings, environments
from tests.support.object_servers import GcsServer, match_objects
from tests.support.video_fixtures import make_video

pytest.importorskip("google.cloud.dataflow_v1beta3", reason="needs the gcp extra")

GPU = "type:nvidia-l4;count:1;machine_type:g2-standard-8;install-nvidia-driver"


class _Tokens(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        data = json.dumps({"access_token": "x", "expires_in": 3600}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def tokens() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables that lead to Cloud Storage, and a service account."""
    with ExitStack() as stack:
        server = GcsServer(stack)
        url = stack.enter_context(tokens())
        account = credentials(tmp_path_factory.mktemp("account"), url)
        yield {
            **server.environment,
            "GOOGLE_APPLICATION_CREDENTIALS": str(account),
            "GOOGLE_CLOUD_PROJECT": "my-project",
        }


@pytest.fixture
def bucket(
    container: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A bucket with two films."""
    from google.cloud import storage

    for name, value in container.items():
        monkeypatch.setenv(name, value)
    name = f"films-{abs(hash(tmp_path)):x}"
    storage.Client(project="my-project").create_bucket(name)
    for film in ("a", "b"):
        file = make_video(tmp_path / f"{film}.mp4", frames=8)
        open_store(f"gs://{name}").put(f"films/{film}.mp4", Path(file).read_bytes())
    return f"gs://{name}"


@pytest.mark.slow
@pytest.mark.processes
def test_the_job_is_left_where_the_launcher_looks_for_it(
    bucket: str, container: dict[str, str]
) -> None:
    parameters = {
        "input": f"{bucket}/films/*.mp4",
        "output": f"{bucket}/db",
        "ops": "Stride(2) | Histogram()",
        "accelerator": GPU,
        "min_ram": "16GB",
    }
    done, seconds = launch(parameters, bucket, container)
    assert done.returncode == 0, done.stderr
    assert seconds < 120
    store = open_store(bucket)
    job = json.loads(store.read(STAGING))
    assert job["name"] == "films"
    assert job["environment"]["serviceAccountEmail"].startswith("worker@")
    (graph,) = match_objects(f"{bucket}/staging/films.*/pipeline.pb")
    proto = beam_runner_api_pb2.Pipeline.FromString(
        store.read(graph.removeprefix(f"{bucket}/"))
    )
    found = environments(proto)
    assert {image for image, _ in found.values()} == {"repo/worker:1"}
    hinted = {name.rpartition("/")[2] for name, (_, hints) in found.items() if hints}
    assert hinted == {"ParDo(_Run)"}
    assert not [crossing for crossing in crossings(proto) if crossing.has_frames]
    # What the workers are to run is there, and nothing has run.
    assert list(match_objects(f"{bucket}/db/.work/runs/*/graph"))
    assert not list(match_objects(f"{bucket}/db/histogram/*/stream.json"))


@pytest.mark.slow
@pytest.mark.processes
def test_a_graph_that_goes_on_with_results_ends_the_launch(
    bucket: str, container: dict[str, str]
) -> None:
    parameters = {
        "input": f"{bucket}/films/a.mp4",
        "output": f"{bucket}/db",
        "graph": "shots",
    }
    done, _ = launch(parameters, bucket, container)
    assert done.returncode == 2
    assert "a process must wait" in done.stderr
    assert not list(match_objects(f"{bucket}/staging/**"))


@pytest.mark.slow
@pytest.mark.processes
def test_a_wrong_parameter_ends_the_launch(
    bucket: str, container: dict[str, str]
) -> None:
    parameters = {
        "input": f"{bucket}/films/a.mp4",
        "output": f"{bucket}/db",
        "ops": "Histogram(",
    }
    done, _ = launch(parameters, bucket, container)
    assert done.returncode == 2
    assert "--ops, column" in done.stderr
