"""One video, then two: frames in, a histogram for each frame out."""

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


def main():
    sc = sp.Client()
    with sample_video() as path:
        film = sp.NamedVideoStream(sc, "film", path=path)
        film_hists = sp.NamedStream(sc, "film hists")

        # A graph is built first and run afterwards: Input -> Histogram -> Output.
        frames = sc.io.Input([film])
        hists = sc.ops.Histogram(frame=frames)
        sc.run(sc.io.Output(hists, [film_hists]), sp.PerfParams.estimate())

        # The graph is the same for any number of streams: it is run once for each.
        film_hists.delete(sc)
        again = sp.NamedVideoStream(sc, "again", path=path)
        again_hists = sp.NamedStream(sc, "again hists")
        frames = sc.io.Input([film, again])
        hists = sc.ops.Histogram(frame=frames)
        output = sc.io.Output(hists, [film_hists, again_hists])
        sc.run(output, sp.PerfParams.estimate())

        for red, green, blue in film_hists.load():
            assert red.sum() == green.sum() == blue.sum() == 320 * 240
        print(f"{film_hists.len()} histograms of {film.len()} frames, twice")

        streams = [film, again, film_hists, again_hists]
        film.storage().delete(sc, streams)


if __name__ == "__main__":
    main()
