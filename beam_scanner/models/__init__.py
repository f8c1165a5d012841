"""Model handlers for op ``Infer``, and for Beam's ``RunInference``.

::

    from beam_scanner.models import KerasModelHandler

    scores = frames | Infer(KerasModelHandler('gs://models/plants.keras'), batch=32)

Beam has handlers of its own for scikit-learn, PyTorch, XGBoost, Hugging Face and others,
which ``Infer`` takes as they are. These are for what Beam's do not do: Keras without
TensorFlow Hub, the signatures of a SavedModel, all outputs of an ONNX model.

The module of a library is imported when a model is loaded.
"""

from __future__ import annotations

from typing import Any

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.lazy import lazy_names

_find, __dir__, __all__ = lazy_names(__name__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        # Most are classes of Beam's.
        import_beam()
    return _find(name)
