"""Looks through the wrappers that Beam puts around model handlers.

``with_preprocess_fn`` and the like make a handler around another one, which they keep
under a private name.

If Beam changes this: plans and errors name the wrapper in place of the handler, and a
``KeyedModelHandler`` in a wrapper is not refused before it runs.
"""

from __future__ import annotations

from typing import Any


def inner_handler(handler: Any) -> Any:
    """The handler in all wrappers.

    Examples:
        >>> from apache_beam.ml.inference.base import ModelHandler
        >>> inner = ModelHandler()
        >>> inner_handler(inner.with_preprocess_fn(len).with_postprocess_fn(len)) is inner
        True
    """
    from apache_beam.ml.inference import base

    names = {base.MaybeKeyedModelHandler: "_unkeyed"}
    while True:
        name = next(
            (n for kind, n in names.items() if isinstance(handler, kind)), "_base"
        )
        inner = getattr(handler, name, None)
        if not isinstance(inner, base.ModelHandler):
            return handler
        handler = inner


def is_keyed(handler: Any) -> bool:
    """Whether a handler takes pairs of a key and an example, and nothing else.

    Examples:
        >>> from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler
        >>> is_keyed(KeyedModelHandler(ModelHandler()).with_preprocess_fn(len))
        True
    """
    from apache_beam.ml.inference.base import KeyedModelHandler

    return isinstance(inner_handler(handler), KeyedModelHandler)
