"""Networks of PyTorch by Beam's handler, on the CPU, where PyTorch is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams, errors
from tests.support.client_helpers import IN_MEMORY, PROCESSES
from tests.support.frameworks import SIDES
from tests.support.models import noted, noting
from tests.support.video_fixtures import make_video

pytestmark = [pytest.mark.slow, pytest.mark.frameworks]

torch: Any = pytest.importorskip("torch")
ROWS = 24


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("torch") / "weights.pt"
    torch.save(network().state_dict(), path)
    return path


def network() -> Any:
    """Of frames, [n, 3, height, width]."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 5, stride=4),
        torch.nn.Tanh(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )


def channels_first(frame: torch.Tensor) -> Any:
    return frame.permute(2, 0, 1).to(torch.float32) / 255


def run(db: Path, film: str, flags: list[str], weights: Path, **more: Any) -> Any:
    """Scores of a film, and the processes that have loaded the network."""
    from apache_beam.ml.inference.pytorch_inference import PytorchModelHandlerTensor

    loads = db.parent / f"{db.name} loads"
    loads.mkdir()
    handler = noting(PytorchModelHandlerTensor, loads)(
        state_dict_path=str(weights), model_class=network, model_params={}
    )
    with Client(db_path=str(db), options=flags) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        arguments = {"preprocess": channels_first, "postprocess": list, **more}
        column = sc.ops.Infer(frame=frames, model_handler=handler, batch=4, **arguments)
        out = NamedStream(sc, "scores")
        output = sc.io.Output(column, [out])
        sc.run(output, PerfParams.manual(4, 8), show_progress=False)
        found = [[float(value) for value in row] for row in out.load()]
        return found, noted(loads, "PytorchModelHandlerTensor-")


def test_a_network_on_a_film(tmp_path: Path, weights: Path) -> None:
    film = make_video(tmp_path / "film.mp4", ROWS, size=SIDES[::-1])
    found, _ = run(tmp_path / "memory", film, IN_MEMORY, weights)
    model = network()
    model.load_state_dict(torch.load(weights))
    with Client(db_path=str(tmp_path / "memory"), options=IN_MEMORY) as sc:
        frames = list(NamedVideoStream(sc, "film").load())
    with torch.no_grad():
        wanted = model(torch.stack([channels_first(torch.tensor(f)) for f in frames]))
    assert np.allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-6)
    assert np.std(found, axis=0).min() > 0
    by_processes, loads = run(tmp_path / "processes", film, PROCESSES, weights)
    assert np.allclose(by_processes, found, rtol=1e-5, atol=1e-7)
    assert 1 <= len(loads) == len(set(loads))


def test_another_shape_is_the_failure_of_its_row(tmp_path: Path, weights: Path) -> None:
    film = make_video(tmp_path / "film.mp4", ROWS, size=SIDES[::-1])

    def flat(frame: torch.Tensor) -> Any:
        return frame.reshape(-1).to(torch.float32)

    with pytest.raises(errors.JobFailure) as caught:
        run(tmp_path / "db", film, IN_MEMORY, weights, preprocess=flat)
    (failure,) = caught.value.failures
    assert (failure.op, failure.kind) == ("Infer", "exception")
