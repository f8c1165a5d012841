"""Out of memory: how the libraries of models say it."""

from __future__ import annotations

import re

from beam_scanner.text.error_text import class_name, message_of
from beam_scanner.text.exception_parts import is_a

_CLASSES = {"OutOfMemoryError", "ResourceExhaustedError", "DeviceMemoryError"}
_TEXT = re.compile(
    r"out of memory|RESOURCE_EXHAUSTED|OOM when allocating|ALLOC_FAILED"
    r"|Failed to allocate memory|bad allocation|std::bad_alloc",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had too little memory.

    Examples:
        >>> is_out_of_memory(RuntimeError('CUDA error: out of memory'))
        True
        >>> is_out_of_memory(RuntimeError('CUDA error: invalid argument'))
        False
    """
    if is_a(error, MemoryError):
        return True
    return class_name(error) in _CLASSES or bool(_TEXT.search(message_of(error)))
