"""Groups of rows that no state crosses: one for each scene."""

from typing import Any

import numpy as np

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


@sp.register_python_op(unbounded_state=True)
class Average(sp.Kernel):
    """The mean of all frames of its group so far."""

    def reset(self):
        self.total, self.rows = 0.0, 0

    def execute(self, frame: sp.FrameType) -> sp.FrameType:
        self.total = self.total + frame.astype(np.float64)
        self.rows += 1
        return (self.total / self.rows).astype(np.uint8)


@sp.register_python_op()
class Numbered(sp.Kernel):
    """Takes an argument that differs from group to group."""

    def new_stream(self, scene):
        self.scene = scene

    def execute(self, frame: sp.FrameType) -> Any:
        return self.scene


def main():
    sc = sp.Client()
    with sample_video() as path:
        frames = sc.io.Input([sp.NamedVideoStream(sc, "film", path=path)])
        scenes = sc.partitioner.ranges([(60, 120), (120, 180)])
        sliced = sc.streams.Slice(frames, partitions=[scenes])
        averages = sc.streams.Unslice(sc.ops.Average(frame=sliced))
        numbers = sc.streams.Unslice(
            sc.ops.Numbered(frame=sliced, scene=[sp.SliceList([1, 2])])
        )
        video, values = (
            sp.NamedVideoStream(sc, "averages"),
            sp.NamedStream(sc, "scenes"),
        )
        outputs = [sc.io.Output(averages, [video]), sc.io.Output(numbers, [values])]
        sc.run(outputs, sp.PerfParams.estimate())

        assert list(values.load()) == [1] * 60 + [2] * 60
        last, first = video.load(rows=[59, 60])
        # Nothing of the scene before is left in the first frame of a scene.
        assert abs(last.astype(int) - first).mean() > 10
        print("wrote", video.save_mp4("04_averages"))
        video.delete(sc)
        values.delete(sc)


if __name__ == "__main__":
    main()
