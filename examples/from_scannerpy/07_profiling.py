"""What took how long: sums, and a trace for Perfetto or chrome://tracing."""

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


def main():
    sc = sp.Client()
    with sample_video() as path:
        frames = sc.io.Input([sp.NamedVideoStream(sc, "film", path=path)])
        small = sc.ops.Resize(frame=frames, width=[160], height=[120])
        output = sp.NamedVideoStream(sc, "small")
        job = sc.run(sc.io.Output(small, [output]), sp.PerfParams.estimate())

        profile = sc.get_profile(job)
        seconds = profile.statistics()["eval"]["op:Resize"]
        begin, end = profile.total_time_interval()
        assert 0 < seconds < end - begin
        profile.write_trace("07_resize.trace")
        print(f"resized for {seconds:.2f} s; wrote 07_resize.trace")
        output.delete(sc)


if __name__ == "__main__":
    main()
