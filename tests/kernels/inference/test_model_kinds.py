"""What may be a model, and what each kind does with batches and arguments."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from apache_beam.ml.inference.base import (
    KeyedModelHandler,
    MaybeKeyedModelHandler,
)

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels.inference.model_kinds import (
    DEFAULT_BATCH,
    CallableKind,
    HandlerKind,
    LoadableKind,
    as_batch,
    model_kind,
)
from tests.support.models import Configured, Means, NumberHandler


def handler(**options: Any) -> NumberHandler:
    return NumberHandler("/nowhere", **options)


def test_kinds() -> None:
    for given, kind in [
        (handler(), HandlerKind),
        (handler().with_preprocess_fn(len).with_no_batching(), HandlerKind),
        (MaybeKeyedModelHandler(handler()), HandlerKind),
        (Means, LoadableKind),
        (Means("somewhere"), LoadableKind),
        (len, CallableKind),
        (lambda batch: batch, CallableKind),
    ]:
        assert type(model_kind(given)) is kind
    names = [model_kind(g).name for g in (handler().with_postprocess_fn(len), Means)]
    assert names == ["NumberHandler", "Means"]


class NoCall:
    def load(self) -> None: ...


class NoLoad:
    def __call__(self, batch: Any) -> Any: ...


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("yolo.onnx", "got 'yolo.onnx'"),
        (None, "got None"),
        (NoCall, "which has no __call__"),
        (NoCall(), "must be a ModelHandler of Beam"),
        (NoLoad, "which has no load"),
        (NumberHandler, r"make an object of it, NumberHandler\(...\)"),
        (KeyedModelHandler(handler()), "give the handler that is in it"),
        (KeyedModelHandler(handler()).with_preprocess_fn(len), "rows have no keys"),
    ],
)
def test_what_is_no_model(given: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        model_kind(given)


@pytest.mark.parametrize(
    ("options", "wanted", "batch"),
    [
        ({}, None, DEFAULT_BATCH),
        ({}, 100, 100),
        ({"max_batch_size": 3}, None, 3),
        ({"max_batch_size": 3}, 2, 2),
        ({"min_batch_size": 40}, None, 40),
        ({"min_batch_size": 4}, None, DEFAULT_BATCH),
        ({"max_batch_weight": 9, "element_size_fn": len}, 5, 5),
    ],
)
def test_batches_of_a_handler(
    options: dict[str, Any], wanted: int | None, batch: int
) -> None:
    kind = model_kind(handler(**options).with_postprocess_fn(len))
    assert kind.batch(wanted) == batch


def test_batches_that_contradict_each_other() -> None:
    with pytest.raises(ArgumentError, match="max_batch_size=3: change one"):
        model_kind(handler(max_batch_size=3)).batch(4)
    weighed = handler(max_batch_weight=9, element_size_fn=len)
    with pytest.raises(ArgumentError, match="max_batch_weight, but op Infer cuts"):
        model_kind(weighed).batch(None)


def test_copies_are_loaded_where_a_handler_asks() -> None:
    asked: list[tuple[dict[str, Any], int]]
    asked = [({}, 0), ({"large_model": True}, 1), ({"model_copies": 3}, 3)]
    for options, copies in asked:
        assert model_kind(handler(**options).with_preprocess_fn(len)).copies == copies


def test_arguments() -> None:
    model_kind(handler()).check_arguments({"more": 1})
    with pytest.raises(ValueError, match="nothing else"):
        model_kind(handler()).check_arguments({"less": 1})
    model_kind(len).check_arguments({"more": 1})
    with pytest.raises(ArgumentError, match="must be a dict"):
        model_kind(len).check_arguments([1])


class Changed(Configured):
    """Loading changes it."""

    loaded = False

    def load_model(self) -> str:
        self.loaded = True
        return os.environ["TEST_MODEL_KINDS"]

    def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        return [(self.loaded, model, each) for each in batch]


def test_the_users_handler_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_MODEL_KINDS", raising=False)
    given = Changed(env_vars={"TEST_MODEL_KINDS": "set"})
    kind = model_kind(given.with_preprocess_fn(len))
    kind.set_environment()
    model = kind.load()
    assert list(model.predict([1, 2], None)) == [(True, "set", 1), (True, "set", 2)]
    assert not given.loaded
    monkeypatch.delenv("TEST_MODEL_KINDS")


def test_a_class_is_loaded_and_called() -> None:
    given = Means()
    for each in (given, Means):
        model = model_kind(each).load()
        batch = [np.full((2, 2), n) for n in (1, 2)]
        assert model.predict(batch, None).tolist() == [2, 4]
    assert not hasattr(given, "scale")


def test_arguments_of_a_callable_go_by_name() -> None:
    model = model_kind(lambda batch, power: batch**power).load()
    assert model.predict([np.array(3)], {"power": 2}).tolist() == [9]


def test_a_batch_of_arrays_is_an_array() -> None:
    assert as_batch([np.zeros((4, 5, 3)), np.ones((4, 5, 3))]).shape == (2, 4, 5, 3)
    assert as_batch([{"a": 1}]) == [{"a": 1}]
    for other in (np.zeros((4, 6, 3)), np.zeros((4, 5, 3), np.uint8)):
        with pytest.raises(ElementTypeError, match="one shape and dtype"):
            as_batch([np.zeros((4, 5, 3)), other])


class Lazy:
    """Keeps its batch, and computes when its results are read."""

    def load(self) -> None:
        self.batch: Any = None

    def __call__(self, batch: Any) -> Any:
        self.batch = batch
        for index in range(len(batch)):
            yield self.batch[index].mean()


def test_results_are_computed_before_another_thread_has_its_turn() -> None:
    model = model_kind(Lazy).load()
    first = model.predict([np.full(2, 1.0)], None)
    second = model.predict([np.full(2, 5.0)], None)
    assert (list(first), list(second)) == ([1.0], [5.0])
