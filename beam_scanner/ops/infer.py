"""Infer: a model on rows, in batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Any

from beam_scanner.errors import ArgumentError, DeviceMemoryError, KernelError
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.kernels.at_element import at_element
from beam_scanner.kernels.inference.device_memory import is_out_of_memory
from beam_scanner.kernels.inference.inference_metrics import InferenceMetrics
from beam_scanner.kernels.inference.loaded_models import SharedModel, shared_model
from beam_scanner.kernels.inference.model_kinds import DEFAULT_BATCH, Fns, stacked
from beam_scanner.kernels.inference.model_source import ModelSource
from beam_scanner.kernels.inference.predictions import (
    bytes_of,
    finished,
    predictions_of,
)
from beam_scanner.kernels.inference.result_types import library_of_frames, result_ports
from beam_scanner.kernels.inference.served_model import ServedModel
from beam_scanner.kernels.op_spec import OpForCall
from beam_scanner.rows.whole_numbers import whole_number
from beam_scanner.text.error_text import class_name, message_of
from beam_scanner.text.quantities import byte_text, counted
from beam_scanner.types.element_types import DeviceType, FrameType


@register_python_op(
    name="Infer",
    batch=DEFAULT_BATCH,
    stencil=[0],
    device_sets=[[DeviceType.CPU, 1], [DeviceType.GPU, 1]],
)
class InferKernel(Kernel):
    """Runs a model on rows, a batch at a time, in the stage that decodes them.

    The model is loaded once in each worker process. The rows of its batches follow one
    another in a task, so results are the same on every runner.

    With a ``stencil`` the model sees clips: each example is ``[time, H, W, C]``, and a
    batch ``[batch, time, H, W, C]``.

    The type of the results is that which ``postprocess`` is annotated to return, or else
    the last ``with_postprocess_fn`` of the handler; ``Any`` if nothing is.

    Examples:
        >>> import numpy as np
        >>> from beam_scanner.kernels import KernelConfig
        >>> def brightness(batch) -> Sequence[float]:
        ...     return batch.mean(axis=(1, 2, 3)).tolist()
        >>> infer = InferKernel(KernelConfig(), brightness)
        >>> infer.setup_with_resources()
        >>> infer.execute([np.full((2, 2, 3), 7, np.uint8)])
        [7.0]
    """

    first_argument = "model_handler"

    def __init__(
        self,
        config: Any,
        model_handler: Any,
        preprocess: Any = None,
        postprocess: Any = None,
        inference_args: Any = None,
    ) -> None:
        """Checks the arguments; nothing is loaded.

        Args:
            config: Of the kernel.
            model_handler: A ``ModelHandler`` of Beam; a class with ``load()`` and
                ``__call__(batch)``, or an object of one; or a callable that takes a
                batch. The last two are given an array with the batch as its first axis,
                or a list where examples are no arrays.
            preprocess: From a row (a frame, or with a stencil the frames of its window
                as one array) to what the model takes of it; the row itself if None.
                Frames are arrays of NumPy, unless its parameter is annotated as
                ``torch.Tensor``, ``cupy.ndarray`` or ``tensorflow.Tensor``.
            postprocess: From a prediction to the row's result: ``postprocess(value)``,
                or ``postprocess(value, row)`` to be given the row, too. Tensors are
                arrays of NumPy by then.
            inference_args: Further arguments of the model's call, by name.

        Raises:
            ArgumentError: The model is none, or takes no such arguments.
        """
        super().__init__(config)
        self._source = ModelSource.of(model_handler)
        self._kind = self._source.kind
        self._kind.check_arguments(inference_args)
        for name, given in (("preprocess", preprocess), ("postprocess", postprocess)):
            if given is not None and not callable(given):
                raise ArgumentError(
                    f"{name} of op Infer must be a function, got {given!r}"
                )
        self._preprocess = preprocess
        self._postprocess = None if postprocess is None else with_row(postprocess)
        self._arguments = inference_args
        self._outputs = len(self.config.output_columns)
        self._model: SharedModel | None = None
        self._metrics: InferenceMetrics | None = None

    @staticmethod
    def op_for_call(call: OpForCall) -> OpForCall:
        """The types and the batch of one call."""
        spec = call.spec
        source = ModelSource.of(call.init_args["model_handler"])
        source.kind.check_arguments(call.init_args.get("inference_args"))
        given = call.options.get("batch", -1)
        wanted = whole_number(given, f"batch of op {spec.name}")
        batch = source.kind.batch(None if wanted == -1 else wanted)
        outputs, is_tuple = result_ports(
            spec.name, call.init_args.get("postprocess"), source.kind
        )
        windows = bool(call.options.get("stencil"))
        # A window is one array of NumPy.
        before = None if windows else call.init_args.get("preprocess")
        library = library_of_frames(spec.name, before)
        inputs = tuple(
            replace(port, type=kind, library="" if kind else library)
            for port, kind in zip(spec.inputs, call.types, strict=True)
        )
        made = replace(
            spec,
            inputs=inputs,
            outputs=outputs,
            returns_tuple=is_tuple and len(outputs) > 1,
            # A handler that prepares whole batches may let rows see one another.
            across_groups=not source.kind.whole,
            note=f"{source.kind.name}, {copies_text(source.kind.copies)}",
            stencil=spec.stencil if windows else None,
        )
        return replace(
            call,
            spec=made,
            init_args={**call.init_args, "model_handler": source},
            options={**call.options, "batch": batch},
        )

    def setup_with_resources(self) -> None:
        """Loads the model, unless the process has it."""
        kind = self._kind
        kind.set_environment()
        if not kind.silent:
            self._metrics = InferenceMetrics(kind.namespace)
        try:
            self._model = self._loaded()
        except Exception as error:
            if is_out_of_memory(error):
                raise DeviceMemoryError(
                    f"memory ran out while {kind.name} loaded its model "
                    f"({class_name(error)}: {message_of(error)}): run fewer workers on a "
                    "machine, or share the model with large_model=True of its handler"
                ) from error
            raise

    def _loaded(self) -> SharedModel:
        tag = self._source.tag()
        if not self._kind.copies:
            return shared_model(tag, self._source.load)
        return shared_model(f"{tag} served", lambda: ServedModel(self._source, tag))

    @property
    def kept_for_run(self) -> Any:
        """What must not be loaded again until the run is over."""
        return self._model

    def execute(self, frame: Sequence[Sequence[FrameType]]) -> Sequence[Any]:
        """One result a row; for several outputs a sequence of each."""
        rows = list(map(self._example, range(len(frame)), frame))
        predictions = [
            prediction
            for examples in self._batches(self._prepared(rows))
            for prediction in self._predict(examples)
        ]
        # Where processes share the model, that which has it has finished them.
        after = () if self._kind.copies else self._kind.after
        results = []
        for index, (prediction, row) in enumerate(zip(predictions, rows, strict=True)):
            with at_element(index):
                value = finished(prediction, after)
                if self._postprocess is not None:
                    value = self._postprocess(value, row)
                results.append(self._checked(value))
        if self._outputs > 1:
            return tuple(map(list, zip(*results, strict=True)))
        return results

    def _checked(self, value: Any) -> Any:
        """The result of a row, which has a part for each output."""
        count = self._outputs
        if count > 1 and not (isinstance(value, (tuple, list)) and len(value) == count):
            raise KernelError(
                f"postprocess must give a tuple of {count} values, as it is annotated, got "
                f"{value!r}"
            )
        return value

    def _example(self, index: int, row: Any) -> Any:
        """A row; its window as one array, if there is one."""
        if self.config.stencil is None:
            return row
        with at_element(index):
            return stacked(row, "frames of one window")

    def _prepared(self, rows: Sequence[Any]) -> list[Any]:
        """What the model takes."""
        examples: list[Any] = list(rows)
        own: Fns = [] if self._preprocess is None else [self._preprocess]
        if not self._kind.whole:
            own = [*own, *self._kind.before]
        for function in own:
            for index, example in enumerate(examples):
                with at_element(index):
                    examples[index] = function(example)
        if self._kind.whole:
            batch: Any = examples
            for function in self._kind.before:
                batch = function(batch)
            examples = list(batch)
        return examples

    def _batches(self, examples: list[Any]) -> list[list[Any]]:
        """Examples that follow one another and have one shape, as few clips have."""
        if self._kind.whole:
            return [examples]
        return [list(part) for _, part in groupby(examples, shape_of)]

    def _predict(self, examples: list[Any]) -> list[Any]:
        assert self._model is not None
        name, count = self._kind.name, len(examples)

        def run() -> list[Any]:
            assert self._model is not None
            result = self._model.model.predict(examples, self._arguments)
            return predictions_of(result, count, name)

        try:
            if self._metrics is None:
                return run()
            # Another thread may be the first to count it.
            with suppress(IndexError):
                self._metrics.count_loading(self._model.loading.pop())
            with self._metrics.batch(examples):
                return run()
        except Exception as error:
            if is_out_of_memory(error):
                raise self._out_of_memory(error, examples) from error
            raise

    def _out_of_memory(self, error: Exception, examples: list[Any]) -> Exception:
        size = byte_text(bytes_of(examples))
        return DeviceMemoryError(
            f"memory ran out in {self._kind.name} on a batch of {len(examples)} rows "
            f"({size}; batch={self.config.batch}): {class_name(error)}: "
            f"{message_of(error)}. Set a smaller batch= of op Infer, make frames smaller "
            "in preprocess, or run fewer workers on a device"
        )


def shape_of(example: Any) -> Any:
    """What examples of one array have in common.

    Examples:
        >>> import numpy as np
        >>> shape_of(np.zeros((2, 3), np.uint8)), shape_of({'mask': 1}), shape_of('a')
        (((2, 3), 'uint8'), (('mask', None),), None)
    """
    if isinstance(example, Mapping):
        return tuple((name, shape_of(part)) for name, part in example.items())
    shape = getattr(example, "shape", None)
    return None if shape is None else (tuple(shape), str(getattr(example, "dtype", "")))


def copies_text(copies: int) -> str:
    """How often a model is loaded.

    Examples:
        >>> copies_text(0), copies_text(2)
        ('1 copy a process', '2 copies a machine')
    """
    if not copies:
        return "1 copy a process"
    return f"{counted(copies, 'copy', 'copies')} a machine"


def with_row(postprocess: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """A function of a prediction and its row, of one that may take the row or not."""
    try:
        parameters = inspect.signature(postprocess).parameters.values()
    except (TypeError, ValueError):  # built-in functions have none
        return lambda value, row: postprocess(value)
    by_place = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    needed = [p for p in parameters if p.kind in by_place and p.default is p.empty]
    if len(needed) > 1:
        return postprocess
    return lambda value, row: postprocess(value)
