"""From what a model returns for a batch to one plain value a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from beam_scanner.errors import KernelError
from beam_scanner.text.quantities import counted


def predictions_of(result: Any, rows: int, name: str) -> list[Any]:
    """One prediction a row.

    Args:
        result: What a model returned: a list, an array or a tensor along its first
            axis, or a dict of those, of which each row gets a dict.
        rows: How many rows the batch had.
        name: Of the model, for errors.

    Raises:
        KernelError: There are more or fewer.

    Examples:
        >>> predictions_of({'label': ['a', 'b'], 'score': [0.5, 1.0]}, 2, 'Model')
        [{'label': 'a', 'score': 0.5}, {'label': 'b', 'score': 1.0}]
        >>> predictions_of([1], 2, 'Model')
        Traceback (most recent call last):
        beam_scanner.errors.KernelError: Model gave 1 prediction for 2 rows: it must \
give one for each
    """
    if isinstance(result, Mapping):
        columns = [
            _listed(part, rows, f"{name}, output {key!r},")
            for key, part in result.items()
        ]
        return [
            dict(zip(result, parts, strict=True))
            for parts in zip(*columns, strict=True)
        ]
    return _listed(result, rows, name)


def _listed(result: Any, rows: int, name: str) -> list[Any]:
    result = plain_tensor(result)
    is_array = isinstance(result, np.ndarray) and result.ndim > 0
    plain = isinstance(result, Iterable) and not isinstance(result, (str, bytes))
    if not is_array and (not plain or isinstance(result, np.ndarray)):
        raise KernelError(
            f"{name} gave {type(result).__name__} for a batch of {rows} rows: it must "
            "give a list, or an array whose first axis is the batch"
        )
    listed = list(result)
    if len(listed) != rows:
        raise KernelError(
            f"{name} gave {counted(len(listed), 'prediction')} for "
            f"{counted(rows, 'row')}: it must give one for each"
        )
    return listed


def finished(prediction: Any, after: Iterable[Callable[[Any], Any]]) -> Any:
    """A prediction, after the functions that a handler has for it, as a plain value.

    Examples:
        >>> from apache_beam.ml.inference.base import PredictionResult
        >>> finished(PredictionResult('the frame', 7), [lambda p: (p.example, p.inference)])
        ('the frame', 7)
    """
    for function in after:
        prediction = function(prediction)
    return plain_value(prediction)


def inference_of(prediction: Any) -> Any:
    """What was inferred, without the example, of Beam's ``PredictionResult``.

    Examples:
        >>> from apache_beam.ml.inference.base import PredictionResult
        >>> inference_of(PredictionResult('the frame', 7)), inference_of((1, 2))
        (7, (1, 2))
    """
    fields = getattr(type(prediction), "_fields", ())
    if fields[:2] == ("example", "inference"):
        return prediction.inference
    return prediction


def plain_value(value: Any) -> Any:
    """A prediction with arrays of NumPy in the place of tensors.

    Examples:
        >>> plain_value({'boxes': [1, 2], 'size': (3, 4)})
        {'boxes': [1, 2], 'size': (3, 4)}
    """
    value = inference_of(value)
    if type(value) is dict:
        return {name: plain_value(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain_value(item) for item in value)
    return plain_tensor(value)


def plain_tensor(value: Any) -> Any:
    """An array of NumPy, where a value is a tensor of PyTorch, TensorFlow, JAX or CuPy."""
    library = type(value).__module__.partition(".")[0]
    if library == "torch" and hasattr(value, "detach"):
        found = value.detach().cpu()
        return (
            found.float() if str(found.dtype) == "torch.bfloat16" else found
        ).numpy()
    if library == "cupy" and hasattr(value, "get"):
        return value.get()
    if library in ("tensorflow", "keras") and callable(getattr(value, "numpy", None)):
        return value.numpy()
    if library in ("jax", "jaxlib") and hasattr(value, "__array__"):
        return np.asarray(value)
    return value


def bytes_of(value: Any) -> int:
    """Bytes of the arrays, strings and bytes in a value.

    Examples:
        >>> bytes_of([np.zeros((2, 3), np.float32), {'name': b'abc'}])
        27
    """
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if isinstance(value, (bytes, bytearray, str)):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(bytes_of, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(bytes_of, value))
    return 0
