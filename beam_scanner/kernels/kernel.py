"""Kernels: the code that users write.

A kernel is a class with an ``execute`` method, or a function whose first parameter
is ``config``. Annotations say what it takes and gives::

    @register_python_op()
    class Brightness(Kernel):
        def __init__(self, config, scale=1.0):     # scale: an init argument
            super().__init__(config)
            self.scale = scale

        def new_stream(self, offset=0.0):          # offset: one value a stream
            self.offset = offset

        def execute(self, frame: FrameType) -> Any:
            return float(frame.mean()) * self.scale + self.offset

    sc.ops.Brightness(frame=column, scale=2.0, offset=[0.0, 1.0])

What ``execute`` takes and gives follows from the op's attributes:

| attribute | each input | each output |
|---|---|---|
| none | ``T`` | ``T`` |
| ``batch=8`` | ``Sequence[T]``, at most 8 rows | ``Sequence[T]``, as many |
| ``stencil=[-1, 0, 1]`` | ``Sequence[T]``, the window | ``T`` |
| both | ``Sequence[Sequence[T]]``, a window for each row | ``Sequence[T]`` |
| ``whole_stream=True`` | ``Sequence[T]``, all rows | ``Sequence[T]``, as many |

Several inputs are several parameters, or ``*inputs: T`` for any number of one type;
several outputs are annotated ``Tuple[A, B]``, each part as above.

Frames are arrays of NumPy, H x W x C. An input that is annotated ``torch.Tensor``,
``cupy.ndarray`` or ``tensorflow.Tensor`` is of frames, too, as that library has them; on
a GPU they stay there if they were decoded there.

A worker keeps instances and gives them one task after the other: for each task it
calls ``reset()``, then ``new_stream(...)``, then ``execute`` for rows in ascending
order. ``fetch_resources()`` is called once for each run, op and machine (to download a
model, say), ``setup_with_resources()`` then in each instance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from beam_scanner.types.element_types import ColumnType, DeviceHandle


@dataclass
class KernelConfig:
    """What a kernel knows of the op call that it works for.

    Attributes:
        devices: Where it may compute.
        input_columns: Names of its inputs.
        input_column_types: Video or Blob, of each.
        output_columns: Names of its outputs: ``ret0``, ``ret1``, ...
        output_column_types: Video or Blob, of each.
        args: The init arguments of the op call.
        node_id: Number of the worker process on its machine.
        batch: Most rows a call.
        stencil: Offsets of the rows that each row sees; None for the row alone.

    Examples:
        >>> KernelConfig(args={'scale': 2}).args['scale']
        2
    """

    devices: list[DeviceHandle] = field(default_factory=list)
    input_columns: list[str] = field(default_factory=list)
    input_column_types: list[ColumnType] = field(default_factory=list)
    output_columns: list[str] = field(default_factory=list)
    output_column_types: list[ColumnType] = field(default_factory=list)
    args: dict[str, Any] = field(default_factory=dict)
    node_id: int = 0
    batch: int = 1
    stencil: list[int] | None = None


class Kernel:
    """Base of class kernels; every method but ``execute`` may be left out.

    Args:
        config: What the kernel knows of its op call.
        init_parameter: Not used; Scanner's kernels may pass it on.

    Examples:
        >>> class Double(Kernel):
        ...     def execute(self, x: bytes) -> bytes:
        ...         return x + x
        >>> Double(KernelConfig()).execute(b'a')
        b'aa'
    """

    def __init__(self, config: KernelConfig, init_parameter: Any = None) -> None:
        self.config = config

    def close(self) -> None:
        """Called, where the runner allows it, when a worker is done with the kernel."""

    def new_stream(self, *args: Any, **kwargs: Any) -> None:
        """Called before the rows of each task.

        Overrides name their parameters: these are the op's per-stream arguments.
        """

    def reset(self) -> None:
        """Forget all state: the next row does not follow the one before."""

    def fetch_resources(self) -> None:
        """Called in one instance of each machine, before any set-up."""

    def setup_with_resources(self) -> None:
        """Called once in each instance, after ``fetch_resources`` has returned."""

    # Any: each kernel has inputs of its own.
    execute: Any = None


# Fingerprints name a kernel's base class by its public path, which outlives moves of
# this file.
for _public in (Kernel, KernelConfig):
    _public.__module__ = "beam_scanner.kernels"
