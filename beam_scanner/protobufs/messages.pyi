# Written by scripts/reference.py.
"""The messages of the table in messages.py."""

from collections.abc import Iterable, MutableSequence

from google.protobuf.message import Message

MESSAGES: dict[str, str]
ABOUT: dict[str, str]

class Frame(Message):
    """A decoded frame of Scanner's C++ engine; kept for its wire format."""

    buffer: int
    width: int
    height: int
    def __init__(
        self,
        *,
        buffer: int = ...,
        width: int = ...,
        height: int = ...,
    ) -> None: ...

class BoundingBox(Message):
    """A box with corners (x1, y1) and (x2, y2), in [0, 1] of width and height."""

    x1: float
    y1: float
    x2: float
    y2: float
    score: float
    track_id: int
    track_score: float
    label: int
    def __init__(
        self,
        *,
        x1: float = ...,
        y1: float = ...,
        x2: float = ...,
        y2: float = ...,
        score: float = ...,
        track_id: int = ...,
        track_score: float = ...,
        label: int = ...,
    ) -> None: ...

class Point(Message):
    """A point with a score."""

    x: float
    y: float
    score: float
    def __init__(
        self,
        *,
        x: float = ...,
        y: float = ...,
        score: float = ...,
    ) -> None: ...

class NetDescriptor(Message):
    """What a neural network takes in, as Scanner's Caffe ops describe it."""

    model_path: str
    model_weights_path: str
    input_layer_names: MutableSequence[str]
    output_layer_names: MutableSequence[str]
    input_width: int
    input_height: int
    mean_colors: MutableSequence[float]
    mean_image: MutableSequence[float]
    mean_width: int
    mean_height: int
    normalize: bool
    preserve_aspect_ratio: bool
    transpose: bool
    pad_mod: int
    uses_python: bool
    def __init__(
        self,
        *,
        model_path: str = ...,
        model_weights_path: str = ...,
        input_layer_names: Iterable[str] = ...,
        output_layer_names: Iterable[str] = ...,
        input_width: int = ...,
        input_height: int = ...,
        mean_colors: Iterable[float] = ...,
        mean_image: Iterable[float] = ...,
        mean_width: int = ...,
        mean_height: int = ...,
        normalize: bool = ...,
        preserve_aspect_ratio: bool = ...,
        transpose: bool = ...,
        pad_mod: int = ...,
        uses_python: bool = ...,
    ) -> None: ...
