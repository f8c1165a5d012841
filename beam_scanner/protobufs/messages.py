"""Scanner's messages, built from a table when this module is imported.

``scripts/reference.py`` writes ``messages.pyi`` from the same table, so that type
checkers and editors know the fields.
"""

from __future__ import annotations

from beam_scanner.protobufs.message_classes import build_messages

MESSAGES = {
    "Frame": "buffer:int64 width:int32 height:int32",
    "BoundingBox": (
        "x1:float y1:float x2:float y2:float score:float "
        "track_id:int32 track_score:double label:int32"
    ),
    "Point": "x:float y:float score:float",
    "NetDescriptor": (
        "model_path:string model_weights_path:string input_layer_names:string* "
        "output_layer_names:string* input_width:int32 input_height:int32 "
        "mean_colors:float* mean_image:float* mean_width:int32 mean_height:int32 "
        "normalize:bool preserve_aspect_ratio:bool transpose:bool pad_mod:int32 "
        "uses_python:bool"
    ),
}
"""By name, the fields; see ``build_messages``."""

ABOUT = {
    "Frame": "A decoded frame of Scanner's C++ engine; kept for its wire format.",
    "BoundingBox": (
        "A box with corners (x1, y1) and (x2, y2), in [0, 1] of width and height."
    ),
    "Point": "A point with a score.",
    "NetDescriptor": "What a neural network takes in, as Scanner's Caffe ops describe it.",
}
"""What each message is."""


_built = build_messages(
    "beam_scanner/types.proto", "beam_scanner", MESSAGES, "beam_scanner.protobufs"
)
for _name, _class in _built.items():
    _class.__doc__ = ABOUT[_name]
Frame, BoundingBox, Point, NetDescriptor = _built.values()
