"""``scannerpy.op``: ops and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from beam_scanner.errors import ArgumentError, OpNotFoundError
from beam_scanner.graph import builder
from beam_scanner.graph.nodes import OpColumn as OpColumn
from beam_scanner.graph.nodes import SliceList as SliceList
from beam_scanner.kernels.op_modules import register_module as register_module
from beam_scanner.kernels.register import register_python_op as register_python_op
from beam_scanner.scannerpy import protobufs
from beam_scanner.scannerpy.instead import refused
from beam_scanner.types import DeviceType

NO_ARGS: Mapping[str, Any] = {}
_OWN_STENCIL: Sequence[int] = [0]

to_proto = refused(
    "to_proto",
    "Scanner's servers read graphs as messages; Client.explain shows what a graph does",
)

_OF_STREAMS = "it is one of sc.streams"
_WITH_A_MODEL = "Infer runs a model of yours on rows"
_INSTEAD = {
    **dict.fromkeys(("Sample", "Space", "Slice", "Unslice"), _OF_STREAMS),
    "MTCNNDetectFaces": "DetectFaces finds faces",
    "MaskRCNNDetectObjects": "DetectObjects finds objects",
    "TorchDrawBoxes": "DrawBboxes draws boxes",
    "ConvertToHSV": "ConvertColor converts, with conversion='COLOR_RGB2HSV'",
    **dict.fromkeys(
        (
            *("EmbedFaces", "DetectGender", "PyTorch", "Resnet", "TFC", "OpenPose"),
            *("Caffe", "CaffeInput", "CPM2", "CPM2Input", "CPM2Output", "Facenet"),
            *("FacenetInput", "FacenetOutput", "FasterRCNN", "FasterRCNNOutput"),
            "YoloOutput",
        ),
        _WITH_A_MODEL,
    ),
}
"""Of Scanner's ops, and those of its libraries, that are not registered here."""


class OpGenerator(builder.OpGenerator):
    """The registered ops by name: ``sc.ops``. See ``graph.builder.OpGenerator``.

    Of an op that Scanner had, and that is not registered, it says what to use.

    Examples:
        >>> OpGenerator().MTCNNDetectFaces
        Traceback (most recent call last):
        beam_scanner.errors.OpNotFoundError: Op MTCNNDetectFaces does not exist here: DetectFaces finds faces
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except OpNotFoundError:
            if name not in _INSTEAD:
                raise
            raise OpNotFoundError(
                f"Op {name} does not exist here: {_INSTEAD[name]}"
            ) from None


class Op:
    """One call of an op, as ``sc.ops`` makes it.

    Args:
        sc: The client.
        name: Of the op.
        inputs: Its columns, in the order of its inputs.
        device: Where it runs.
        batch: Most rows a call; -1 for that of its registration.
        warmup: Rows of bounded state; -1 for those of its registration.
        stencil: Offsets of the rows that each row sees; ``[0]`` for those of its
            registration.
        args: Init arguments by name.
        extra: Not used.
        stream_args: Per-stream arguments by name, one value for all streams or a list.

    Raises:
        ScannerException: As ``sc.ops``.
    """

    def __init__(
        self,
        sc: Any,
        name: str,
        inputs: Sequence[OpColumn],
        device: DeviceType,
        batch: int = -1,
        warmup: int = -1,
        stencil: Sequence[int] = _OWN_STENCIL,
        args: Mapping[str, Any] = NO_ARGS,
        extra: Any = None,
        stream_args: Mapping[str, list[Any]] | None = None,
    ) -> None:
        self._inputs = list(inputs)
        self._outputs = getattr(sc.ops, name)(
            *inputs,
            device=device,
            batch=batch,
            bounded_state=warmup,
            stencil=[] if list(stencil) == [0] else stencil,
            **args,
            **(stream_args or {}),
        )

    def inputs(self) -> list[OpColumn]:
        """The columns that it reads."""
        return self._inputs

    def outputs(self) -> Any:
        """Its column, or a tuple of columns if it has several outputs."""
        return self._outputs

    def to_proto(self, indices: Any) -> NoReturn:
        """Scanner's; there is no such message.

        Raises:
            ArgumentError: Always; says what to use.
        """
        to_proto(indices)


def check_modules(sc: Any) -> None:
    """Scanner's: clients know the ops of all modules as soon as they are registered."""


def collect_per_stream_args(
    name: str, protobuf_name: str, kwargs: dict[str, Any]
) -> list[bytes]:
    """Takes the per-stream arguments from those of a call.

    Args:
        name: Of the op.
        protobuf_name: The message whose fields are per-stream arguments.
        kwargs: Arguments; those that are used are removed.

    Returns:
        A serialized message for each stream; what is no list is for all of them.

    Raises:
        ArgumentError: There are none, none is a list, or lists differ in length.

    Examples:
        >>> given = {'stride': [2, 3], 'other': 1}
        >>> len(collect_per_stream_args('Mine', 'StridedSamplerArgs', given)), given
        (2, {'other': 1})
    """
    fields = protobufs.analyze_proto(getattr(protobufs, protobuf_name))
    given = {key: kwargs.pop(key) for key in fields if key in kwargs}
    lengths = {len(value) for value in given.values() if isinstance(value, list)}
    if len(lengths) != 1:
        raise ArgumentError(
            f"Op `{name}` received no per-stream arguments. Options: "
            f"{', '.join(fields)}; each is a list with one value for each stream, all "
            f"of one length, or one value for all; got {given}"
        )
    return [
        protobufs.python_to_proto(
            protobuf_name,
            {
                key: value[i] if isinstance(value, list) else value
                for key, value in given.items()
                if value is not None
            },
        )
        for i in range(lengths.pop())
    ]
