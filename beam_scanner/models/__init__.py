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

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beam_scanner.models.keras_models import KerasModelHandler as KerasModelHandler
    from beam_scanner.models.letterboxes import Letterbox as Letterbox
    from beam_scanner.models.onnx_models import OnnxModelHandler as OnnxModelHandler
    from beam_scanner.models.saved_models import SavedModelHandler as SavedModelHandler
else:
    from beam_scanner.lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "beam_scanner.models.keras_models": "KerasModelHandler",
            "beam_scanner.models.letterboxes": "Letterbox",
            "beam_scanner.models.onnx_models": "OnnxModelHandler",
            "beam_scanner.models.saved_models": "SavedModelHandler",
        },
    )
