"""How frames of an output are stored: by default, with a quality, or exactly."""

import os

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


def main():
    sc = sp.Client()
    with sample_video() as path:
        frames = sc.io.Input([sp.NamedVideoStream(sc, "film", path=path)])
        blurred = sc.ops.Blur(frame=frames, kernel_size=3, sigma=0.5)
        some = sc.streams.Range(blurred, [(0, 30)])
        encodings = {
            "default": some,
            "small": some.compress_video(quality=35, keyframe_distance=10),
            "exact": some.lossless(),
        }
        streams = {name: sp.NamedVideoStream(sc, name) for name in encodings}
        outputs = [
            sc.io.Output(column, [streams[name]]) for name, column in encodings.items()
        ]
        sc.run(outputs, sp.PerfParams.estimate())

        sizes = {
            name: sum(os.path.getsize(file) for file in stream.files())
            for name, stream in streams.items()
        }
        assert sizes["small"] < sizes["default"] < sizes["exact"]
        print(sizes, "bytes; wrote", streams["small"].save_mp4("06_small"))
        for stream in streams.values():
            stream.delete(sc)


if __name__ == "__main__":
    main()
