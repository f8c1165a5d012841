"""What users give for a model, in one form."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.rows.whole_numbers import as_whole_number

DEFAULT_BATCH = 16
"""Rows a call, where neither the call nor the handler says."""

_WEIGHT = ("max_batch_weight", "element_size_fn")

Fns = Sequence[Callable[[Any], Any]]


class LoadedModel(Protocol):
    """A model that is ready."""

    def predict(self, examples: list[Any], arguments: Any) -> Any:
        """What the model says of a batch: something with one part a row."""


class ModelKind(Protocol):
    """A model that can be loaded.

    Attributes:
        name: What errors and plans call it.
        namespace: Of its metrics.
        silent: Whether it counts for itself.
        copies: How many are loaded on each machine; 0 for one in each process.
        before: Applied to each example, in order; to the whole batch if ``whole``.
        after: Applied to each prediction, in order.
        whole: Whether ``before`` takes batches.
        result: The function whose annotation says what a prediction is, if any.
        result_is_batch: Whether it says what a whole batch of them is.
    """

    name: str
    namespace: str
    silent: bool
    copies: int
    before: Fns
    after: Fns
    whole: bool
    result: Callable[..., Any] | None
    result_is_batch: bool

    def check_arguments(self, arguments: Any) -> None:
        """Refuses inference arguments that the model does not take."""

    def batch(self, wanted: int | None) -> int:
        """Rows a call.

        Args:
            wanted: What the call of the op says, if it does.
        """

    def set_environment(self) -> None:
        """Sets the environment variables that it asks for."""

    def load(self) -> LoadedModel:
        """Loads it; in a worker."""


def model_kind(given: Any) -> ModelKind:
    """The kind of a model.

    Args:
        given: A Beam ``ModelHandler``; a class with ``load()`` and
            ``__call__(batch)``, or an object of one; or any other callable.

    Raises:
        ArgumentError: It is something else.

    Examples:
        >>> model_kind(lambda batch: batch.mean(axis=(1, 2, 3))).name
        '<lambda>'
        >>> model_kind('yunet.onnx')
        Traceback (most recent call last):
        beam_scanner.errors.ArgumentError: model_handler of op Infer must be a \
ModelHandler of Beam, a class with load() and __call__(batch), or a callable; got \
'yunet.onnx'
    """
    base = sys.modules.get("apache_beam.ml.inference.base")
    handler = getattr(base, "ModelHandler", None)
    if handler is not None and isinstance(given, handler):
        return HandlerKind(given)
    if handler is not None and isinstance(given, type) and issubclass(given, handler):
        raise ArgumentError(
            f"model_handler of op Infer is the class {given.__name__}: make an object "
            f"of it, {given.__name__}(...)"
        )
    if callable(getattr(given, "load", None)) and _calls(given):
        return LoadableKind(given)
    if callable(given) and not isinstance(given, type):
        return CallableKind(given)
    hint = ""
    if isinstance(given, type):
        hint = f", which has no {'load' if _calls(given) else '__call__'}"
    raise ArgumentError(
        "model_handler of op Infer must be a ModelHandler of Beam, a class with load() "
        f"and __call__(batch), or a callable; got {given!r}{hint}"
    )


def _calls(given: Any) -> bool:
    kind = given if isinstance(given, type) else type(given)
    # Not by getattr: what calls a class is not what calls its objects.
    return any("__call__" in vars(cls) for cls in kind.__mro__)


class HandlerKind:
    """A ``ModelHandler``, run as ``RunInference`` runs it.

    Args:
        handler: The handler.

    Raises:
        ArgumentError: It takes examples with keys.
    """

    def __init__(self, handler: Any) -> None:
        from beam_scanner.beam_internals.model_handlers import inner_handler, is_keyed

        if is_keyed(handler):
            raise ArgumentError(
                "model_handler of op Infer is a KeyedModelHandler, but rows have no "
                "keys: give the handler that is in it; for several models use one Infer "
                "for each"
            )
        self._handler = handler
        self.name = type(inner_handler(handler)).__name__
        self.namespace = str(handler.get_metrics_namespace())
        self.silent = bool(handler.override_metrics(self.namespace))
        shared = handler.share_model_across_processes()
        self.copies = int(handler.model_copies()) if shared else 0
        self.before: Fns = list(handler.get_preprocess_fns())
        self.after: Fns = list(handler.get_postprocess_fns())
        self.whole = bool(handler.should_skip_batching())
        self.result = self.after[-1] if self.after else None
        self.result_is_batch = False

    def check_arguments(self, arguments: Any) -> None:
        """See :class:`ModelKind`."""
        self._handler.validate_inference_args(arguments)

    def batch(self, wanted: int | None) -> int:
        """The op's batch, or the handler's ``max_batch_size``.

        Raises:
            ArgumentError: They contradict each other, or the handler's batches are cut
                by weight.
        """
        given = self._handler.batch_elements_kwargs()
        by_weight = [name for name in _WEIGHT if given.get(name) is not None]
        if by_weight and wanted is None:
            raise ArgumentError(
                f"{self.name} has {by_weight[0]}, but op Infer cuts batches by rows: "
                "say how many with batch="
            )
        most = as_whole_number(given.get("max_batch_size"))
        if wanted is None:
            least = as_whole_number(given.get("min_batch_size")) or 1
            return max(DEFAULT_BATCH, least) if most is None else most
        if most is not None and wanted > most:
            raise ArgumentError(
                f"batch of op Infer is {wanted}, but {self.name} has "
                f"max_batch_size={most}: change one of them"
            )
        return wanted

    def set_environment(self) -> None:
        """As the handler does it."""
        self._handler.set_environment_vars()

    def load(self) -> LoadedModel:
        """Loads with a copy of the handler: loading may change it."""
        handler = copy.deepcopy(self._handler)
        return _LoadedHandler(handler, handler.load_model())


@dataclass
class _LoadedHandler:
    handler: Any
    model: Any

    def predict(self, examples: list[Any], arguments: Any) -> Any:
        """The handler that has loaded the model, and no other, calls it."""
        return self.handler.run_inference(examples, self.model, arguments)


class _Plain:
    """What models that are no handlers have in common."""

    namespace = "RunInference"
    silent = False
    copies = 0
    before: Fns = ()
    after: Fns = ()
    whole = False

    def __init__(self, given: Any) -> None:
        self._given = given
        self.name = str(
            getattr(given, "__name__", None) or getattr(type(given), "__name__", "")
        )
        self.result: Callable[..., Any] | None = given
        self.result_is_batch = True

    def check_arguments(self, arguments: Any) -> None:
        """They are passed by name.

        Raises:
            ArgumentError: They are no mapping of names.
        """
        if arguments is not None and not (
            isinstance(arguments, Mapping)
            and all(isinstance(name, str) for name in arguments)
        ):
            raise ArgumentError(
                "inference_args of op Infer must be a dict with the names of arguments "
                f"of {self.name}, got {arguments!r}"
            )

    def batch(self, wanted: int | None) -> int:
        """The op's batch, or the default."""
        return DEFAULT_BATCH if wanted is None else wanted

    def set_environment(self) -> None:
        """It asks for nothing."""


class CallableKind(_Plain):
    """A callable that takes a batch."""

    def load(self) -> LoadedModel:
        """There is nothing to load."""
        return _LoadedCallable(self._given)


class LoadableKind(_Plain):
    """A class with ``load()`` and ``__call__(batch)``, or an object of one."""

    def load(self) -> LoadedModel:
        """Makes an object, and loads it."""
        given = self._given
        made = given() if isinstance(given, type) else copy.copy(given)
        made.load()
        # Users' objects are seldom made for several threads: a network of OpenCV would
        # give one thread the results of another.
        return _LoadedCallable(made, threading.Lock())


@dataclass
class _LoadedCallable:
    call: Callable[..., Any]
    lock: Any = None

    def predict(self, examples: list[Any], arguments: Any) -> Any:
        """Calls it with the batch as one array, or as a list of what is no array."""
        batch = as_batch(examples)
        if self.lock is None:
            return self.call(batch, **(arguments or {}))
        with self.lock:
            result = self.call(batch, **(arguments or {}))
            # A generator computes when it is read.
            return list(result) if hasattr(result, "__next__") else result


def as_batch(examples: Sequence[Any]) -> Any:
    """Examples as one array, if they are arrays; else as a list.

    Raises:
        ElementTypeError: The arrays differ in shape or dtype.

    Examples:
        >>> as_batch([np.zeros((2, 3)), np.ones((2, 3))]).shape
        (2, 2, 3)
        >>> as_batch(['a', 'b'])
        ['a', 'b']
    """
    if not all(isinstance(example, np.ndarray) for example in examples):
        return list(examples)
    return stacked(examples, "rows of one batch")


def stacked(arrays: Iterable[Any], what: str) -> Any:
    """Arrays along a new first axis.

    Args:
        arrays: Equal in shape and dtype.
        what: What they are, for errors.

    Raises:
        ElementTypeError: They differ.
    """
    listed = list(arrays)
    kinds = {(array.dtype.str, array.shape): array for array in listed}
    if len(kinds) > 1:
        shown = " and ".join(
            f"{a.dtype} of {a.shape}" for a in list(kinds.values())[:2]
        )
        raise ElementTypeError(
            f"{what} must have one shape and dtype to be one array, but there are "
            f"{shown}: make them equal, with a Resize before or in preprocess"
        )
    return np.stack(listed)
