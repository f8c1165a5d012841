"""Objects in a video: found by a model, made steady over time, drawn into the frames.

The model is one convolution, whose weights are a file: it finds the ball of the sample
video. A larger one takes its place where ``fetch_resources`` and ``setup_with_resources``
load it.
"""

import os
import pathlib
import pickle
import tempfile
from collections.abc import Sequence

import cv2
import numpy as np

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.types import NumpyArrayFloat32
from beam_scanner.scannerpy.util import download_temp_file, sample_video
from beam_scanner.storage import PythonStream

SIZE = 48
BOXES = 5


def write_model(path):
    """Weights that answer to a disc that is unlike what is around it."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
    disc = np.hypot(x, y) < 20
    around = ~disc & (np.hypot(x, y) < 24)
    np.save(path, (disc / disc.sum() - around / around.sum()).astype(np.float32))


@sp.register_python_op(
    device_sets=[(sp.DeviceType.CPU, -1), (sp.DeviceType.GPU, 1)], batch=8
)
class DetectObjects(sp.Kernel):
    def __init__(self, config, model_url):
        super().__init__(config)
        self.model_url = model_url
        self.on_gpu = any(h.type == sp.DeviceType.GPU.value for h in config.devices)

    def fetch_resources(self):
        download_temp_file(self.model_url)

    def setup_with_resources(self):
        self.weights = np.load(download_temp_file(self.model_url))

    def execute(self, frame: Sequence[sp.FrameType]) -> Sequence[NumpyArrayFloat32]:
        return [self.detect(each) for each in frame]

    def detect(self, frame):
        """Rows of x1, y1, x2, y2 (in pixels) and a score, the best first."""
        answers = [
            abs(
                cv2.filter2D(
                    channel, cv2.CV_32F, self.weights, borderType=cv2.BORDER_REFLECT
                )
            )
            for channel in cv2.split(frame)
        ]
        scores = np.max(answers, axis=0) / 255
        best = np.argsort(scores, axis=None)[: -200 * BOXES : -1]
        y, x = np.unravel_index(best, scores.shape)
        corners = np.stack([x, y, x, y], 1) + np.array([-20, -20, 20, 20])
        return np.column_stack([corners, scores[y, x]]).astype(np.float32)


def overlap(box, boxes):
    """Intersection over union."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:4], boxes[:, 2:4])
    inside = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = [np.prod(b[..., 2:4] - b[..., :2], axis=-1) for b in (box, boxes)]
    return inside / (areas[0] + areas[1] - inside)


def without_repeats(boxes, most=0.3):
    """Of boxes that overlap, the one with the best score."""
    kept = []
    while len(boxes) and len(kept) < BOXES:
        kept.append(boxes[0])
        boxes = boxes[overlap(boxes[0], boxes) <= most]
    return np.array(kept)


def smoothed(rows, least=0.3):
    """Each box, averaged with those of the frames before and after that it overlaps."""
    found = []
    for before, now, after in zip(
        rows[:1] + rows[:-1], rows, rows[1:] + rows[-1:], strict=True
    ):
        new = now.copy()
        for box in new:
            others = np.concatenate(
                [o[overlap(box, o) > least][:1] for o in (before, after)]
            )
            box[:4] = np.concatenate([box[None, :4], others[:, :4]]).mean(axis=0)
        found.append(new)
    return found


@sp.register_python_op()
def draw_objects(config, frame: sp.FrameType, boxes: bytes) -> sp.FrameType:
    drawn = frame.copy()
    for *corners, score in pickle.loads(boxes):
        if score > config.args["least_score"]:
            x1, y1, x2, y2 = (int(corner) for corner in corners)
            cv2.rectangle(drawn, (x1, y1), (x2, y2), (255, 0, 0), 2)
    return drawn


def main():
    sc = sp.Client()
    device = sp.DeviceType.GPU if sc.has_gpu() else sp.DeviceType.CPU
    overwrite = sp.CacheMode.Overwrite
    with sample_video() as path, tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder, "disc.npy")
        write_model(model)
        film = sp.NamedVideoStream(sc, "film", path=path)
        every = [4]
        frames = sc.streams.Stride(sc.io.Input([film]), every)
        found = sc.ops.DetectObjects(
            frame=frames, model_url=model.as_uri(), device=device, batch=4
        )
        # Boxes are no frames, but may go into such a stream.
        detected = sp.NamedVideoStream(sc, "film_detected")
        output = sc.io.Output(found, [detected])
        sc.run(output, sp.PerfParams.estimate(), cache_mode=overwrite)

        boxes = [without_repeats(row.reshape(-1, 5)) for row in detected.load()]
        frames = sc.streams.Stride(sc.io.Input([film]), every)
        column = sc.io.Input([PythonStream(smoothed(boxes))])
        drawn = sc.ops.draw_objects(frame=frames, boxes=column, least_score=0.3)
        result = sp.NamedVideoStream(sc, "film_drawn")
        output = sc.io.Output(drawn, [result])
        sc.run(output, sp.PerfParams.estimate(), cache_mode=overwrite)

        hits = 0
        for row, found in enumerate(boxes):
            scene, x = divmod(4 * row, 60)
            center = (5 * x, 60 * (scene + 1) % 240)
            hits += any(abs(box[:2] + 20 - center).max() < 6 for box in found[:1])
        assert hits > len(boxes) * 0.6, hits
        print(f"the ball in {hits} of {len(boxes)}; wrote", result.save_mp4("objects"))
        detected.delete(sc)
        result.delete(sc)
    os.remove(download_temp_file(model.as_uri()))


if __name__ == "__main__":
    main()
