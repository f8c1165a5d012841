"""A video in shades of gray: every other frame, resized, and written as an MP4."""

import numpy as np

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


@sp.register_python_op()
def CloneChannels(config, frame: sp.FrameType) -> sp.FrameType:
    gray = frame.reshape(*frame.shape[:2], 1)
    return np.repeat(gray, config.args["replications"], axis=2)


def main():
    sc = sp.Client()
    with sample_video() as path:
        frames = sc.io.Input([sp.NamedVideoStream(sc, "film", path=path)])
        sampled = sc.streams.Stride(frames, [2])
        resized = sc.ops.Resize(frame=sampled, width=[640], height=[480])
        gray = sc.ops.ConvertColor(frame=resized, conversion=["COLOR_RGB2GRAY"])
        gray3 = sc.ops.CloneChannels(frame=gray, replications=3)
        output = sp.NamedVideoStream(sc, "gray")
        sc.run(sc.io.Output(gray3, [output]), sp.PerfParams.manual(20, 60))

        assert output.len() == 120
        frame = next(output.load())
        assert frame.shape == (480, 640, 3)
        assert np.ptp(frame.astype(int), axis=2).max() < 10
        print("wrote", output.save_mp4("grayscale"))
        output.delete(sc)


if __name__ == "__main__":
    main()
