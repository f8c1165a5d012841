"""A kernel that needs the frames of a slice group in order."""

from __future__ import annotations

from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.transforms import op
from beam_scanner.types import FrameType


class _Seen(Kernel):
    def reset(self) -> None:
        self.seen = -1

    def execute(self, frame: FrameType) -> int:
        self.seen += 1
        return self.seen


Seen = op(register_python_op(name="SeenFrames", unbounded_state=True)(_Seen))
"""How many frames of its slice group there were before."""
