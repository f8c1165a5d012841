"""Whether a machine has a GPU."""

from __future__ import annotations

import glob

_DEVICES = ("/dev/nvidia[0-9]*", "/dev/dxg", "/dev/kfd")
"""Of NVIDIA, of Windows for its Linux, of AMD."""


def has_gpu() -> bool:
    """Whether this machine lets processes use a GPU."""
    # No driver is asked: what has been initialised does not survive a fork.
    return any(glob.glob(pattern) for pattern in _DEVICES)
