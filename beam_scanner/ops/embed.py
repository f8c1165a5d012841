"""EmbedFrames and LabelFrames: encoders of pictures, and of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from beam_scanner.kernels import register_python_op
from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.ops._model_ops import ModelKernel
from beam_scanner.ops.detect import DEVICES
from beam_scanner.types.codecs.number_codecs import Shape
from beam_scanner.types.element_types import FrameType
from beam_scanner.types.model_types import Embedding, Label
from beam_scanner.types.type_info import ScannerTypeInfo, get_type_info


class EmbeddingOf:
    """The embedding in an encoder's outputs; see ``embedding_of``."""

    def __init__(self, unit: bool) -> None:
        self.unit = unit

    def __call__(self, output: Any) -> Embedding:
        """float32 of one dimension."""
        from beam_scanner.models.image_inputs import embedding_of

        return embedding_of(output, self.unit)


def _type_of(length: int) -> ScannerTypeInfo:
    return get_type_info(Annotated[npt.NDArray[np.float32], Shape(length)])


@register_python_op(name="EmbedFrames", batch=16, device_sets=DEVICES)
class EmbedFrames(ModelKernel):
    """An embedding of each frame, from an image encoder of yours: CLIP, SigLIP, DINO.

    Raises:
        MissingDependencyError: onnxruntime or OpenCV are not installed.
    """

    def __init__(
        self,
        config: Any,
        model_uri: str,
        family: str = "clip",
        size: int = 224,
        unit: bool = True,
        length: int = 0,
    ) -> None:
        """Checks the arguments.

        Args:
            config: Of the kernel.
            model_uri: Path or URL of the ONNX file.
            family: How it is given pictures: 'clip' (the middle), 'siglip' (stretched)
                or 'dino' (the middle, with the colours of ImageNet).
            size: Side of the square that it takes, in pixels.
            unit: Whether embeddings are divided by their norm.
            length: How many numbers an embedding has, which makes their column in Parquet
                a list of a fixed size; 0 leaves it open.
        """
        from beam_scanner.models.image_inputs import ImageInput
        from beam_scanner.models.onnx_models import OnnxModelHandler

        super().__init__(
            config,
            model_handler=OnnxModelHandler(model_uri),
            preprocess=ImageInput(family, size),
            postprocess=EmbeddingOf(unit),
        )

    @classmethod
    def op_for_call(cls, call: OpForCall) -> OpForCall:
        """The call of ``Infer``, with the type for ``length``."""
        made = super().op_for_call(call)
        length = call.init_args.get("length", 0)
        if not length:
            return made
        port = replace(made.spec.outputs[0], type=_type_of(length))
        return replace(made, spec=replace(made.spec, outputs=(port,)))

    def execute(  # type: ignore[override]
        self, frame: Sequence[FrameType]
    ) -> Sequence[Embedding]:
        """float32: of ``image_embeds``, ``pooler_output``, or the first token."""
        found: Sequence[Embedding] = self.infer(frame)
        return found


@register_python_op(name="LabelFrames", batch=16, device_sets=DEVICES)
class LabelFrames(ModelKernel):
    """Which of your words fit each frame, with CLIP or SigLIP of yours (zero-shot).

    Raises:
        MissingDependencyError: onnxruntime, OpenCV or tokenizers are not installed.
    """

    def __init__(
        self,
        config: Any,
        model_uri: str,
        text_model_uri: str,
        tokenizer_uri: str,
        labels: Any,
        prompt: str = "a photo of {}",
        family: str = "clip",
        size: int = 224,
        scale: float = 100.0,
        bias: float = 0.0,
        most: int = 5,
    ) -> None:
        """Checks the arguments.

        Args:
            config: Of the kernel.
            model_uri: Path or URL of the image encoder, an ONNX file.
            text_model_uri: Of the text encoder.
            tokenizer_uri: Of its tokenizer.json.
            labels: List of the words.
            prompt: The text that is compared, with {} for a label.
            family: 'clip' or 'siglip'.
            size: Side of the square that the image encoder takes, in pixels.
            scale: What the model has learned for it (exp(logit_scale)).
            bias: What it has learned (logit_bias); CLIP has none.
            most: Labels of a frame, the surest first.
        """
        from beam_scanner.models.image_inputs import ImageInput
        from beam_scanner.models.zero_shot import (
            TOKENS,
            LabelScores,
            ZeroShotModelHandler,
        )

        scores = LabelScores(labels, family, scale, bias, most)
        texts = [prompt.replace("{}", label) for label in labels]
        handler = ZeroShotModelHandler(
            model_uri, text_model_uri, tokenizer_uri, texts, TOKENS[family]
        )
        super().__init__(
            config,
            model_handler=handler,
            preprocess=ImageInput(family, size),
            postprocess=scores,
        )

    def execute(  # type: ignore[override]
        self, frame: Sequence[FrameType]
    ) -> Sequence[list[Label]]:
        """The surest labels, with scores from 0.0 to 1.0."""
        found: Sequence[list[Label]] = self.infer(frame)
        return found
