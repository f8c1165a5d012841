"""Beam still keeps handlers where they are looked for."""

from __future__ import annotations

from apache_beam.ml.inference.base import (
    KeyedModelHandler,
    MaybeKeyedModelHandler,
    ModelHandler,
)

from beam_scanner.beam_internals.model_handlers import inner_handler, is_keyed


def test_all_wrappers_are_looked_through() -> None:
    inner: ModelHandler = ModelHandler()
    for wrapped in (
        inner,
        inner.with_preprocess_fn(len),
        inner.with_postprocess_fn(len),
        inner.with_no_batching(),
        MaybeKeyedModelHandler(inner),
        MaybeKeyedModelHandler(inner.with_no_batching()).with_preprocess_fn(len),
    ):
        assert inner_handler(wrapped) is inner
        assert not is_keyed(wrapped)


def test_keyed() -> None:
    keyed = KeyedModelHandler(ModelHandler())
    assert is_keyed(keyed)
    assert is_keyed(keyed.with_postprocess_fn(len).with_preprocess_fn(len))
