"""Frames in the memory of a device, and how kernels are given them.

A kernel says by its annotation as what it takes frames: ``FrameType`` is an array of
NumPy; ``torch.Tensor``, ``cupy.ndarray`` and ``tensorflow.Tensor`` are theirs. Frames
that were decoded on a device reach a kernel there by DLPack, without a copy.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import MissingDependencyError
from beam_scanner.kernels.inference.predictions import plain_tensor

_ARRAYS = {"torch": "Tensor", "cupy": "ndarray", "tensorflow": "Tensor"}
"""By library, its class of arrays."""

ON_DEVICES = ("torch", "cupy")
"""Libraries whose arrays stay on their device between two ops."""

_ON_CPU = 1
"""The number of the CPU's memory in DLPack."""


class DeviceFrame:
    """A frame in the memory of a device; any library with DLPack can read it.

    Args:
        array: Of a library that has DLPack: uint8[height, width, 3], RGB, from a decoder;
            any from a kernel.

    Attributes:
        array: The same.
        is_shared: Whether several uses see it, so that a kernel is given a copy.

    Examples:
        >>> frame = DeviceFrame(np.zeros((4, 6, 3), np.uint8))
        >>> frame.shape, np.from_dlpack(frame).shape, frame.to_host().shape
        ((4, 6, 3), (4, 6, 3), (4, 6, 3))
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.is_shared = False

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, channels)."""
        return tuple(self.array.shape)

    def copy(self) -> DeviceFrame:
        """The same pixels, in other memory of the device."""
        if hasattr(self.array, "detach"):
            return DeviceFrame(self.array.detach().clone())
        return DeviceFrame(self.array.copy())

    def to_host(self) -> NDArray[np.uint8]:
        """A copy in the memory of this process, the receiver's to keep."""
        host: NDArray[np.uint8] = plain_tensor(self.array)
        if self.__dlpack_device__()[0] == _ON_CPU:
            host = np.array(host)
        return np.ascontiguousarray(host)

    def __dlpack__(self, **given: Any) -> Any:
        return self.array.__dlpack__(**given)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self.array.__dlpack_device__()
        return int(kind), int(number)


def library_of(annotation: Any) -> str:
    """The library whose arrays an annotation names; '' for none.

    Examples:
        >>> library_of(np.ndarray), library_of('torch.Tensor')
        ('', '')
    """
    if not isinstance(annotation, type):
        return ""
    library = annotation.__module__.partition(".")[0]
    return library if _ARRAYS.get(library) == annotation.__name__ else ""


def given_as(frame: Any, library: str) -> Any:
    """A frame as an array of a library.

    Args:
        frame: An array of NumPy, or a ``DeviceFrame``. Of one that is shared it is a
            copy, else the same memory where the library can use it.
        library: '' for NumPy, 'torch', 'cupy' or 'tensorflow'.

    Raises:
        MissingDependencyError: The library is not installed.
    """
    if isinstance(frame, DeviceFrame):
        if not library:
            return frame.to_host()
        source = frame.copy() if frame.is_shared else frame
        if library == _library(source.array):
            return source.array
        return _imported(library, source)
    if not library:
        return frame
    return _imported(library, frame if frame.flags.writeable else frame.copy())


def _library(array: Any) -> str:
    return library_of(type(array))


def _imported(library: str, source: Any) -> Any:
    try:
        module: Any = importlib.import_module(library)
    except ImportError as error:
        raise MissingDependencyError(
            f"a kernel takes frames as arrays of {library}, which is not installed"
        ) from error
    if library == "tensorflow":
        if isinstance(source, np.ndarray):
            return module.convert_to_tensor(source)
        return module.experimental.dlpack.from_dlpack(source.__dlpack__())
    if library == "cupy" and isinstance(source, np.ndarray):
        # It has arrays on devices alone.
        return module.asarray(source)
    return module.from_dlpack(source)
