"""Draws the optical flow of a video beside it.

python examples/motion.py film.mp4 motion.mp4

Each row of the graph sees two frames; the flow and the frame that it belongs to are
joined again by DrawFlow. Needs OpenCV: pip install '.[opencv]'.
"""

import sys
import tempfile

from beam_scanner import Client, NamedVideoStream, PerfParams


def main(film: str, motion: str) -> None:
    with tempfile.TemporaryDirectory() as folder, Client(db_path=folder) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        small = sc.ops.Resize(frame=frames, width=[320], preserve_aspect=[True])
        flow = sc.ops.OpticalFlow(frame=small)
        drawn = sc.ops.DrawFlow(frame=small, flow=flow).compress_video(quality=20)
        output = NamedVideoStream(sc, "motion")
        sc.run(sc.io.Output(drawn, [output]), PerfParams.estimate())
        print(output.save_mp4(motion))


if __name__ == "__main__":
    main(*sys.argv[1:3])
