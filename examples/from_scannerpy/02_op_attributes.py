"""What an op may say of itself: device, batch, stencil, bounded and unbounded state."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


# Where it runs. Several devices are given as pairs; the call chooses.
@sp.register_python_op(device_type=sp.DeviceType.CPU)
def mirror(config, frame: sp.FrameType) -> sp.FrameType:
    assert config.devices[0].type == sp.DeviceType.CPU
    return np.ascontiguousarray(frame[:, ::-1])


# Several frames a call, as models want them. There may be fewer.
@sp.register_python_op(batch=10)
def mean_colors(config, frame: Sequence[sp.FrameType]) -> Sequence[Any]:
    return list(np.stack(frame).mean(axis=(1, 2)))


# Each frame together with its neighbours: here with the one before it.
@sp.register_python_op(stencil=[-1, 0])
def motion(config, frame: Sequence[sp.FrameType]) -> Any:
    before, now = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in frame)
    return float(cv2.absdiff(before, now).mean())


# State that is good after some frames: wherever rows are not consecutive, the kernel is
# reset and given the 60 rows before.
@sp.register_python_op(bounded_state=60)
class Foreground(sp.Kernel):
    def __init__(self, config, share, threshold):
        super().__init__(config)
        self.share, self.threshold = share, threshold

    def reset(self):
        self.background = None

    def execute(self, frame: sp.FrameType) -> sp.FrameType:
        now = frame.astype(np.float32)
        if self.background is None:
            self.background = now
        moving = abs(now - self.background).max(axis=2) > self.threshold
        self.background += self.share * (now - self.background)
        return frame * moving[..., None]


# State that depends on everything before: all rows are computed, in order.
@sp.register_python_op(unbounded_state=True)
class Elapsed(sp.Kernel):
    def reset(self):
        self.rows = 0

    def execute(self, frame: sp.FrameType) -> Any:
        self.rows += 1
        return self.rows


def main():
    sc = sp.Client()
    with sample_video() as path:
        frames = sc.io.Input([sp.NamedVideoStream(sc, "film", path=path)])
        device = sp.DeviceType.CPU
        columns = {
            "mirrored": sc.ops.mirror(frame=frames, device=device),
            "colors": sc.ops.mean_colors(frame=frames, batch=16),
            "motion": sc.ops.motion(frame=frames, stencil=[-1, 0]),
            "moving": sc.ops.Foreground(
                frame=frames, share=0.05, threshold=30, bounded_state=60
            ),
            "elapsed": sc.ops.Elapsed(frame=frames),
        }
        streams = {
            name: sp.NamedVideoStream(sc, name)
            if name in ("mirrored", "moving")
            else sp.NamedStream(sc, name)
            for name in columns
        }
        outputs = [
            sc.io.Output(sc.streams.Range(column, [(100, 130)]), [streams[name]])
            for name, column in columns.items()
        ]
        sc.run(outputs, sp.PerfParams.estimate())

        assert list(streams["elapsed"].load()) == list(range(101, 131))
        moved = list(streams["motion"].load())
        # A new scene begins with row 120.
        assert max(range(30), key=moved.__getitem__) == 20
        for name in ("mirrored", "moving"):
            print("wrote", streams[name].save_mp4(f"02_{name}"))
        for stream in streams.values():
            stream.delete(sc)


if __name__ == "__main__":
    main()
