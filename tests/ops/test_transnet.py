"""TransNetV2 as an op: which frames the network sees of a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import KernelConfig, op_spec
from beam_scanner.models import transnet_network
from beam_scanner.ops import register_ops
from beam_scanner.ops.transnet import TransNetV2
from tests.support.real_clips import needs_weights, packaged_clip


class Session:
    """Scores a frame with its first sample; keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def run(self, outputs: None, inputs: dict[str, Any]) -> list[Any]:
        values = inputs["frames"][:, 0, 0, 0].astype(np.float32)
        assert inputs["frames"].shape == (100, 27, 48, 3)
        self.seen.append(values.astype(int).tolist())
        return [values]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> TransNetV2:
    path = tmp_path / "weights"
    path.write_bytes(b"")
    monkeypatch.setattr(transnet_network, "find_weights", lambda: path)
    made = TransNetV2(KernelConfig())
    made._session = Session()
    return made


def scores(kernel: TransNetV2, rows: int) -> list[float]:
    frames = [np.full((27, 48, 3), row, np.uint8) for row in range(rows)]
    return [
        kernel.execute([frames[min(row + ahead, rows - 1)] for ahead in range(75)])
        for row in range(rows)
    ]


@pytest.mark.parametrize("rows", [1, 49, 50, 51, 130])
def test_windows(kernel: TransNetV2, rows: int) -> None:
    assert scores(kernel, rows) == list(range(rows))
    windows = kernel._session.seen
    assert len(windows) == -(-rows // 50)
    for number, window in enumerate(windows):
        first = 50 * number - 25
        expected = np.arange(first, first + 100).clip(0, rows - 1)
        assert window == expected.tolist()
    kernel.reset()
    assert scores(kernel, 30) == list(range(30))


def test_other_frames_are_refused(kernel: TransNetV2) -> None:
    with pytest.raises(ElementTypeError, match=r"Resize\(width=48, height=27\)"):
        kernel.execute([np.zeros((48, 27, 3), np.uint8)] * 75)


def test_it_needs_streams_in_order() -> None:
    register_ops()
    assert op_spec("TransNetV2").unbounded_state


def test_cuts_of_a_real_clip() -> None:
    needs_weights(transnet_network.PACKAGE, transnet_network.FILE)
    import av
    import cv2

    with av.open(packaged_clip("bikes.mp4")) as container:
        frames = [
            cv2.resize(
                frame.to_ndarray(format="rgb24"), (48, 27), interpolation=cv2.INTER_AREA
            )
            for frame in list(container.decode(video=0))[:60]
        ]
    kernel = TransNetV2(KernelConfig())
    kernel.setup_with_resources()
    found = [
        kernel.execute([*frames[row:], *[frames[-1]] * 75][:75]) for row in range(60)
    ]
    assert int(np.argmax(found)) == 29
    assert found[29] > 0.8
