"""Which rows of a stream: only what is asked for is decoded and computed."""

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


def main():
    sc = sp.Client()
    with sample_video() as path:
        film = sp.NamedVideoStream(sc, "film", path=path)
        frames = sc.io.Input([film])

        samples = {
            "every fourth": sc.streams.Stride(frames, [4]),
            "the first ten": sc.streams.Range(frames, [(0, 10)]),
            "two scenes": sc.streams.Ranges(frames, [[(0, 60), (120, 180)]]),
            "these": sc.streams.Gather(frames, [[10, 17, 32]]),
            "each twice": sc.streams.Repeat(sc.streams.Stride(frames, [60]), [2]),
        }
        streams = {}
        for name, column in samples.items():
            hists = sc.ops.Histogram(frame=column)
            # What is not frames may go into a NamedVideoStream, too.
            streams[name] = sp.NamedVideoStream(sc, name)
            sc.run(sc.io.Output(hists, [streams[name]]), sp.PerfParams.estimate())

        counts = {name: stream.len() for name, stream in streams.items()}
        print(counts)
        assert list(counts.values()) == [60, 10, 120, 3, 8]
        for hist in streams["these"].load():
            assert len(hist) == 3
            assert hist[0].shape == (16,)
        for stream in [film, *streams.values()]:
            stream.delete(sc)


if __name__ == "__main__":
    main()
