"""CLIP and SigLIP: how well texts fit a picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from apache_beam.ml.inference.base import PredictionResult

from beam_scanner.errors import ArgumentError
from beam_scanner.models.image_inputs import embedding_of
from beam_scanner.models.libraries import ONNX, TOKENIZERS, library
from beam_scanner.models.model_files import local_files
from beam_scanner.models.onnx_models import OnnxModelHandler
from beam_scanner.types.model_types import Label

TOKENS = {"clip": 77, "siglip": 64}
"""Input tokens for the text encoders of one model family."""


class ZeroShotModelHandler(OnnxModelHandler):
    """An image encoder; a prediction is the cosine with each of some texts.

    The texts are encoded once, when the model is loaded.

    Args:
        path: Path or URL of the image encoder, an ONNX file.
        text_path: Of the text encoder.
        tokenizer_path: Of its tokenizer.json.
        texts: The texts.
        tokens: How many each is cut and filled to.
        **options: See ``OnnxModelHandler``.

    Examples:
        >>> ZeroShotModelHandler('i.onnx', 't.onnx', 'tokenizer.json', ['a cat'], 77)
        ... # doctest: +ELLIPSIS
        <...ZeroShotModelHandler object at ...>
    """

    needs = (ONNX, TOKENIZERS)

    def __init__(
        self,
        path: str | os.PathLike[str],
        text_path: str | os.PathLike[str],
        tokenizer_path: str | os.PathLike[str],
        texts: Sequence[str],
        tokens: int,
        **options: Any,
    ) -> None:
        super().__init__(path, **options)
        self._options = options
        self._text_path = os.fspath(text_path)
        self._tokenizer_path = os.fspath(tokenizer_path)
        self._texts = list(texts)
        self._tokens = tokens
        self._vectors: npt.NDArray[np.float32] | None = None

    def load_model(self) -> Any:
        """Makes a session, after the texts have been encoded."""
        encoder = OnnxModelHandler(self._text_path, **self._options)
        session = encoder.load_model()
        names = [each.name for each in session.get_inputs()]
        batch = [
            {name: tokens[name] for name in names if name in tokens}
            for tokens in self._tokenized()
        ]
        found = encoder.run_inference(batch, session)
        self._vectors = np.stack([embedding_of(each.inference) for each in found])
        return super().load_model()

    def _tokenized(self) -> list[dict[str, Any]]:
        tokenizers = library(TOKENIZERS, "ZeroShotModelHandler")
        with local_files(self._tokenizer_path) as path:
            tokenizer = tokenizers.Tokenizer.from_file(path)
        tokenizer.enable_truncation(self._tokens)
        tokenizer.no_padding()
        found = []
        for text in self._texts:
            ids = tokenizer.encode(text).ids
            # Both families fill up with the token that ends a text.
            missing = self._tokens - len(ids)
            mask = np.array([1] * len(ids) + [0] * missing)
            filled = np.array(ids + ids[-1:] * missing)
            found.append({"input_ids": filled, "attention_mask": mask})
        return found

    def run_inference(
        self,
        batch: Sequence[Any],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[Any]:
        """float32[texts] for each picture, -1.0 to 1.0."""
        assert self._vectors is not None
        found = super().run_inference(batch, model, inference_args)
        return [
            PredictionResult(each.example, self._vectors @ embedding_of(each.inference))
            for each in found
        ]


class LabelScores:
    """Labels with scores, of the cosines of texts.

    Args:
        labels: A name for each text.
        family: ``clip`` divides 1 among the labels (softmax); ``siglip`` gives each a
            score of its own (sigmoid).
        scale: By which cosines are multiplied.
        bias: Which is added then.
        most: How many labels, the surest first.

    Raises:
        ArgumentError: There are no labels, or there is no such family.

    Examples:
        >>> LabelScores(['cat', 'dog'], 'clip', 100.0, 0.0, 1)(np.array([0.2, 0.3]))
        [Label(name='dog', score=0.9999545812606812, index=1)]
    """

    def __init__(
        self, labels: Sequence[str], family: str, scale: float, bias: float, most: int
    ) -> None:
        if family not in TOKENS:
            raise ArgumentError(
                f"family must be one of {', '.join(TOKENS)}, got {family!r}"
            )
        if isinstance(labels, str) or not len(labels):
            raise ArgumentError(f"labels must be a list of names, got {labels!r}")
        self.labels = list(labels)
        self.family = family
        self.scale = scale
        self.bias = bias
        self.most = most

    def __call__(self, cosines: npt.NDArray[Any]) -> list[Label]:
        """The surest labels."""
        logits = np.asarray(cosines, np.float32) * self.scale + self.bias
        if self.family == "siglip":
            scores = 1 / (1 + np.exp(-logits))
        else:
            shares = np.exp(logits - logits.max())
            scores = shares / shares.sum()
        order = np.argsort(-scores, kind="stable")[: self.most].tolist()
        return [Label(self.labels[n], float(scores[n]), n) for n in order]
