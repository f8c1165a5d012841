"""Ops of your own: a function, a class with arguments, and one with two outputs."""

from typing import Any

import cv2

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video


# A function is enough where nothing is kept from one frame to the next. Annotations
# say what goes in and what comes out; other arguments are in config.args.
@sp.register_python_op()
def shrink(config, frame: sp.FrameType) -> sp.FrameType:
    return cv2.resize(frame, (config.args["width"], config.args["height"]))


# A class takes arguments of two kinds: those of __init__ hold for all streams, those of
# new_stream are lists with one value for each stream.
@sp.register_python_op()
class Tint(sp.Kernel):
    def __init__(self, config, channel):
        super().__init__(config)
        self.channel = channel

    def new_stream(self, strength):
        self.strength = strength

    def execute(self, frame: sp.FrameType) -> sp.FrameType:
        tinted = frame.copy()
        tinted[..., self.channel] = cv2.add(tinted[..., self.channel], self.strength)
        return tinted


@sp.register_python_op()
def darkest_and_brightest(config, frame: sp.FrameType) -> tuple[Any, Any]:
    return int(frame.min()), int(frame.max())


def main():
    sc = sp.Client()
    with sample_video() as path:
        frames = sc.io.Input([sp.NamedVideoStream(sc, "film", path=path)])
        small = sc.ops.shrink(frame=frames, width=160, height=120)
        tinted = sc.ops.Tint(frame=frames, channel=0, strength=[60])
        lows, highs = sc.ops.darkest_and_brightest(frame=small)

        videos = [sp.NamedVideoStream(sc, name) for name in ("small", "tinted")]
        values = [sp.NamedStream(sc, name) for name in ("lows", "highs")]
        outputs = [
            sc.io.Output(column, [stream])
            for column, stream in zip(
                [small, tinted, lows, highs], videos + values, strict=True
            )
        ]
        sc.run(outputs, sp.PerfParams.estimate())

        for stream in videos:
            print("wrote", stream.save_mp4(f"01_{stream.name()}"))
        for low, high in zip(*(stream.load() for stream in values), strict=True):
            assert low < high
        for stream in videos + values:
            stream.delete(sc)


if __name__ == "__main__":
    main()
