"""The ops that ship, as transforms; their arguments are those of ``sc.ops``."""

from __future__ import annotations

from beam_scanner.transforms.apply_op import op

Blur = op("Blur")
ConvertColor = op("ConvertColor")
Discard = op("Discard")
DiscardFrame = op("DiscardFrame")
DrawBboxes = op("DrawBboxes")
DrawFlow = op("DrawFlow")
FrameDifference = op("FrameDifference")
Histogram = op("Histogram")
ImageDecoder = op("ImageDecoder")
ImageEncoder = op("ImageEncoder")
InfoFromFrame = op("InfoFromFrame")
Montage = op("Montage")
OpticalFlow = op("OpticalFlow")
Pass = op("Pass")
Resize = op("Resize")
ShotBoundaries = op("ShotBoundaries")
