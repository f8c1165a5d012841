"""Files as ``torch.save`` writes them, made without PyTorch."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np


class _Named:
    """Stands for a function or class of PyTorch in a pickle."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Storage:
    def __init__(self, kind: str, key: str, size: int) -> None:
        self.kind, self.key, self.size = kind, key, size


class _Tensor:
    def __init__(self, storage: _Storage, shape: tuple[int, ...]) -> None:
        self.storage, self.shape = storage, shape


_PythonPickler: Any = vars(pickle)["_Pickler"]


class _Pickler(_PythonPickler):
    """Writes names of another module, which Python's own pickler would look up."""

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _Storage):
            return (
                "storage",
                _Named("torch", value.kind),
                value.key,
                "cpu",
                value.size,
            )
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Named):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Tensor):
            self.save(_Named("torch._utils", "_rebuild_tensor_v2"))
            strides = np.empty(value.shape, np.float32).strides
            steps = tuple(stride // 4 for stride in strides)
            self.save((value.storage, 0, value.shape, steps, False, OrderedDict()))
            self.write(b"R")
        else:
            super().save(value, save_persistent_id)


def save_tensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes float32 and int64 arrays by name."""
    with zipfile.ZipFile(path, "w") as archive:
        named = OrderedDict()
        for number, (name, array) in enumerate(arrays.items()):
            kind = "FloatStorage" if array.dtype == np.float32 else "LongStorage"
            storage = _Storage(kind, str(number), array.size)
            named[name] = _Tensor(storage, array.shape)
            archive.writestr(f"archive/data/{number}", array.tobytes())
        file = io.BytesIO()
        _Pickler(file, 2).dump(named)
        archive.writestr("archive/data.pkl", file.getvalue())
        archive.writestr("archive/version", "3\n")
