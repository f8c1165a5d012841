"""Texts and pictures, with encoders of small random weights, against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.models import OnnxModelHandler
from beam_scanner.models.image_inputs import embedding_of
from beam_scanner.models.zero_shot import LabelScores, ZeroShotModelHandler
from tests.support.models import onnx_encoder

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def word_tokenizer(path: Path) -> str:
    """Writes a tokenizer with a number for each word, and 49 for the end."""
    tokenizers = pytest.importorskip("tokenizers")
    words = {"a": 1, "photo": 2, "of": 3, "cat": 4, "dog": 5, "[UNK]": 6, "<end>": 49}
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(words, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A <end>", special_tokens=[("<end>", 49)]
    )
    tokenizer.save(str(path))
    return str(path)


def test_cosines_of_texts(tmp_path: Path) -> None:
    tokenizer = word_tokenizer(tmp_path / "tokenizer.json")
    image = onnx_encoder(tmp_path / "image.onnx", "image")
    text = onnx_encoder(tmp_path / "text.onnx", "text", "text_embeds")
    texts = ["a photo of cat", "dog", "a a a a a a a a a a a a"]
    handler = ZeroShotModelHandler(image, text, tokenizer, texts, tokens=6)
    random = np.random.default_rng(3)
    pictures = list(random.normal(size=(4, 3, 8, 8)).astype(np.float32))
    found = handler.run_inference(pictures, handler.load_model())

    ids = [[1, 2, 3, 4, 49, 49], [5, 49, 49, 49, 49, 49], [1, 1, 1, 1, 1, 49]]
    seen = [[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0], [1] * 6]
    batch = [
        {"input_ids": np.array(i), "attention_mask": np.array(m)}
        for i, m in zip(ids, seen, strict=True)
    ]
    vectors = encoded(OnnxModelHandler(text), batch)
    wanted = encoded(OnnxModelHandler(image), pictures) @ vectors.T
    assert np.allclose([each.inference for each in found], wanted, atol=1e-5)


def encoded(handler: Any, batch: Any) -> Any:
    found = handler.run_inference(batch, handler.load_model())
    return np.stack([embedding_of(each.inference) for each in found])


def test_scores() -> None:
    cosines = np.array([0.1, 0.3, 0.2], np.float32)
    clip = LabelScores(["a", "b", "c"], "clip", 10.0, 0.0, 2)(cosines)
    shares = np.exp([1, 3, 2]) / np.exp([1, 3, 2]).sum()
    assert [label.name for label in clip] == ["b", "c"]
    assert np.allclose([label.score for label in clip], shares[[1, 2]])
    siglip = LabelScores(["a", "b", "c"], "siglip", 10.0, -3.0, 9)(cosines)
    assert [label.index for label in siglip] == [1, 2, 0]
    assert np.allclose(siglip[0].score, 0.5)
    with pytest.raises(ArgumentError, match="clip, siglip, got 'dino'"):
        LabelScores(["a"], "dino", 1.0, 0.0, 1)
    with pytest.raises(ArgumentError, match="list of names, got 'cat'"):
        LabelScores("cat", "clip", 1.0, 0.0, 1)
