"""ReadText: what is written in frames."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np

from beam_scanner.kernels import register_python_op
from beam_scanner.models.libraries import RAPIDOCR, library
from beam_scanner.ops._model_ops import ModelKernel
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.model_types import Text


class TextReader:
    """PP-OCR, as RapidOCR runs it, as a model of op ``Infer``.

    Args:
        score: Texts below are left out.
        version: Of RapidOCR, whose weights these are.
    """

    needs = (RAPIDOCR,)

    def __init__(self, score: float, version: str) -> None:
        self.score = score
        self.version = version

    def load(self) -> None:
        """Loads the three networks: where text is, which way up it is, and what it says.

        Raises:
            MissingDependencyError: RapidOCR is not installed.
        """
        rapidocr = library(RAPIDOCR, "op ReadText")
        threads = "EngineConfig.onnxruntime"
        self._reader = rapidocr.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.text_score": self.score,
                f"{threads}.intra_op_num_threads": 1,
                f"{threads}.inter_op_num_threads": 1,
            }
        )

    def __call__(self, batch: Any) -> list[list[Text]]:
        """The texts of each frame."""
        return [self._texts(frame) for frame in batch]

    def _texts(self, frame: Any) -> list[Text]:
        # It takes colors as OpenCV has them.
        found: Any = self._reader(np.ascontiguousarray(frame[..., ::-1]))
        if found.boxes is None or not found.txts:
            return []
        size = np.array([frame.shape[1], frame.shape[0]], np.float64)
        return [
            Text(str(text), float(score), [(x, y) for x, y in (box / size).tolist()])
            for text, score, box in zip(
                found.txts, found.scores, found.boxes, strict=True
            )
        ]


@register_python_op(name="ReadText", batch=4)
class ReadText(ModelKernel):
    """Reads what is written in frames, with PP-OCR: Latin script, Chinese, Japanese.

    Raises:
        MissingDependencyError: RapidOCR is not installed.
    """

    def __init__(self, config: Any, score: float = 0.5) -> None:
        """Looks for RapidOCR.

        Args:
            config: Of the kernel.
            score: Texts of which it is less sure are left out, 0.0 to 1.0.
        """
        try:
            version = importlib.metadata.version("rapidocr")
        except importlib.metadata.PackageNotFoundError as error:
            raise RAPIDOCR.missing("op ReadText") from error
        super().__init__(config, model_handler=TextReader(score, version))

    def execute(  # type: ignore[override]
        self, frame: Sequence[FrameType]
    ) -> Sequence[list[Text]]:
        """Lines of text, from the top; corners are fractions of width and height."""
        found: Sequence[list[Text]] = self.infer(frame)
        return found
