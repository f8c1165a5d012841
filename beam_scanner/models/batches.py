"""Examples to arrays with a batch axis, and what a model gives to predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from beam_scanner.errors import ElementTypeError


def stacked_inputs(batch: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    """The arrays of a batch, by the names of a model's inputs.

    Args:
        batch: Arrays, for a model with one input; or dicts of arrays by names of inputs.
        names: Of the inputs.

    Raises:
        ElementTypeError: A name is missing or unknown, or arrays differ in shape.

    Examples:
        >>> stacked_inputs([np.zeros((2, 3))] * 4, ['image'])['image'].shape
        (4, 2, 3)
        >>> stacked_inputs([{'image': np.zeros(3)}], ['picture'])
        Traceback (most recent call last):
        beam_scanner.errors.ElementTypeError: the model takes picture, but preprocess \
gives image
    """
    if isinstance(batch[0], Mapping):
        if set(batch[0]) != set(names):
            given = ", ".join(sorted(batch[0]))
            raise ElementTypeError(
                f"the model takes {', '.join(sorted(names))}, but preprocess gives {given}"
            )
        return {name: _stack([example[name] for example in batch]) for name in names}
    if len(names) > 1:
        raise ElementTypeError(
            f"the model takes {', '.join(names)}: let preprocess give a dict of these"
        )
    return {names[0]: _stack(batch)}


def _stack(arrays: Sequence[Any]) -> Any:
    listed = list(map(np.asarray, arrays))
    shapes = {array.shape for array in listed}
    if len(shapes) > 1:
        shown = " and ".join(map(str, sorted(shapes)[:2]))
        raise ElementTypeError(
            f"rows of one batch must have one shape, but there are {shown}: make them "
            "equal in preprocess"
        )
    return np.stack(listed)


def rows_of_outputs(outputs: Mapping[str, Iterable[Any]]) -> list[Any]:
    """One prediction a row: an array, or a dict of them where there are several outputs.

    Args:
        outputs: By name, each with one part a row.

    Examples:
        >>> rows_of_outputs({'score': [1, 2]})
        [1, 2]
        >>> rows_of_outputs({'a': [1], 'b': [2]})
        [{'a': 1, 'b': 2}]
    """
    columns = {name: list(values) for name, values in outputs.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [
        dict(zip(columns, parts, strict=True))
        for parts in zip(*columns.values(), strict=True)
    ]
