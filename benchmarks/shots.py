"""How well and how fast shots are found, beside PySceneDetect.

``python benchmarks/shots.py [CLIP | FOLDER ...] [--seeds 3] [--shots 40] [--quick]``
composes films from clips, and scores every detector on them. A folder is a set of its
own; all other clips are one. Clips must have no cuts. Without clips, some are made.
``pip install scenedetect opencv-python-headless`` gives the others to compare with.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from compose_films import LOOKS, STYLES, compose, read_clip, score  # noqa: E402

from beam_scanner.kernels import KernelConfig  # noqa: E402
from beam_scanner.models import transnet_network  # noqa: E402
from beam_scanner.ops.detect_shots import (  # noqa: E402
    DETECTORS,
    DetectShots,
    ShotsFromScores,
)
from beam_scanner.ops.shot_features import ShotFeatures  # noqa: E402
from beam_scanner.ops.transnet import TransNetV2  # noqa: E402

CONFIG = KernelConfig()
Detect = Callable[[Any], Sequence[int]]
TOLERATED = 3.0


def ours(name: str) -> Detect:
    def detect(frames: Any) -> Sequence[int]:
        features = ShotFeatures(CONFIG)
        found = DetectShots(CONFIG, detector=name).execute(
            [features.execute(frame) for frame in frames]
        )
        return found[0] or ()

    return detect


def transnet() -> Detect:
    import cv2

    kernel = TransNetV2(CONFIG)
    kernel.setup_with_resources()

    def detect(frames: Any) -> Sequence[int]:
        small = [cv2.resize(f, (48, 27), interpolation=cv2.INTER_AREA) for f in frames]
        small += [small[-1]] * 75
        kernel.reset()
        scores = [kernel.execute(small[row : row + 75]) for row in range(len(frames))]
        return ShotsFromScores(CONFIG).execute(scores)[0] or ()

    return detect


def theirs(name: str) -> Detect:
    """A detector of PySceneDetect with its defaults."""
    from scenedetect import detectors
    from scenedetect.common import FrameTimecode

    def detect(frames: Any) -> Sequence[int]:
        detector = getattr(detectors, name)()
        found = []
        for row, frame in enumerate(frames):
            found += detector.process_frame(FrameTimecode(row, fps=25.0), frame)
        found += detector.post_process(FrameTimecode(len(frames) - 1, fps=25.0))
        return sorted({cut.frame_num for cut in found})

    return detect


def all_detectors(with_transnet: bool) -> dict[str, tuple[Detect, str]]:
    """By name: the detector, and the layout of frames that it takes."""
    made = {name: (ours(name), "rgb24") for name in DETECTORS}
    if with_transnet:
        made["transnetv2"] = transnet(), "rgb24"
    if importlib.util.find_spec("scenedetect"):
        import cv2

        cv2.setNumThreads(1)
        for kind in ("Adaptive", "Content", "Hash", "Histogram", "Threshold"):
            made[f"psd {kind.lower()}"] = theirs(f"{kind}Detector"), "bgr24"
    return made


def synthetic_clips(seed: int, count: int = 10) -> list[Any]:
    """Blobs that move before a gradient, seen by a camera that may pan."""
    made = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        y, x = np.mgrid[0:180, 0:320] / 180
        colors, places = random.uniform(10, 245, (9, 3)), random.uniform(0, 1.7, (9, 2))
        speeds = random.normal(0, 0.006, (9, 2)) + random.normal(0, 0.004, 2)
        sizes = random.uniform(0.04, 0.4, 9)
        clip = np.empty((150, 180, 320, 3), np.uint8)
        for row in range(len(clip)):
            picture = colors[0] * y[..., None] + colors[1] * (1 - y[..., None])
            now = places + row * speeds
            for place, color, size in zip(now, colors, sizes, strict=True):
                far = ((y - place[0]) ** 2 + (x - place[1]) ** 2) / size**2
                picture += np.exp(-far)[..., None] * (color - picture)
            clip[row] = picture.clip(0, 255)
        made.append(clip)
    return made


def sets_of(paths: Sequence[str]) -> dict[str, list[Any]]:
    """Sets of clips by name."""
    loose = [path for path in paths if not os.path.isdir(path)]
    sets = {"clips": [read_clip(path) for path in loose]} if loose else {}
    for path in paths:
        if os.path.isdir(path):
            files = sorted(p for p in Path(path).iterdir() if p.is_file())
            sets[Path(path).name] = [read_clip(file) for file in files]
    if not sets:
        sets = {f"synthetic {seed}": synthetic_clips(seed) for seed in (1, 2)}
    for name, clips in sets.items():
        if len(clips) < 2:
            raise SystemExit(f"set {name!r} has {len(clips)} clips; two are needed")
    return sets


def films(
    sets: dict[str, list[Any]], seeds: int, shots: int, quick: bool
) -> Iterator[tuple[str, Path, list[tuple[int, int]]]]:
    """Name of the group, path and transitions of each film."""
    kinds = [(style, "") for style in STYLES] + [("plain", look) for look in LOOKS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.mp4")
        for name, clips in sets.items():
            for number, (style, look) in enumerate(kinds[:1] if quick else kinds):
                for seed in range(seeds):
                    count = shots // 3 if style == "long" else shots
                    made = compose(
                        path, clips, 100 * seed + number, count, STYLES[style], look
                    )
                    yield f"{name}, {look or style}", path, made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shots", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="plain films only")
    parser.add_argument("--transnet", action="store_true", help="with TransNetV2: slow")
    args = parser.parse_args()
    if args.transnet:
        transnet_network.find_weights()
    detectors = all_detectors(args.transnet)
    f1: dict[str, dict[str, list[float]]] = {}
    seconds, rows = dict.fromkeys(detectors, 0.0), 0
    for group, path, transitions in films(
        sets_of(args.clips), args.seeds, args.shots, args.quick
    ):
        found = f1.setdefault(group, {name: [] for name in detectors})
        for layout in ("rgb24", "bgr24"):
            with av.open(str(path)) as container:
                frames = [
                    frame.to_ndarray(format=layout)
                    for frame in container.decode(video=0)
                ]
            for name, (detect, wanted) in detectors.items():
                if wanted == layout:
                    began = time.process_time()
                    boundaries = detect(frames)
                    seconds[name] += time.process_time() - began
                    hits, missed, false = score(boundaries, transitions)
                    found[name].append(200 * hits / (2 * hits + missed + false or 1))
        rows += len(frames)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    show(f1, {name: 1e6 * spent / rows for name, spent in seconds.items()})


def show(f1: dict[str, dict[str, list[float]]], cpu: dict[str, float]) -> None:
    """Prints a table, and how the default compares with the best of the others."""
    print(f"| F1 | {' | '.join(cpu)} |")
    print(f"|---|{'---|' * len(cpu)}")
    means = {
        group: {name: float(np.mean(found[name])) for name in cpu}
        for group, found in f1.items()
    }
    total = {
        name: float(np.mean([each[name] for each in means.values()])) for name in cpu
    }
    for group, each in [*means.items(), ("**mean**", total)]:
        print(f"| {group} | {' | '.join(f'{each[name]:.1f}' for name in cpu)} |")
    print(f"| CPU, µs a frame | {' | '.join(f'{cpu[name]:.0f}' for name in cpu)} |")
    others = [name for name in cpu if name.startswith("psd ")]
    if others:
        best = max(others, key=lambda name: total[name])
        gap, where = max(
            (each[best] - each["local"], group) for group, each in means.items()
        )
        print(
            f"\nlocal {total['local']:.1f} at {cpu['local']:.0f} µs a frame; the best of "
            f"PySceneDetect, {best.removeprefix('psd ')}, {total[best]:.1f} at "
            f"{cpu[best]:.0f} µs; local is furthest behind it in '{where}': by {gap:.1f}"
        )
        good = total["local"] >= total[best] and cpu["local"] < cpu[best]
        sys.exit(0 if good and gap <= TOLERATED else 1)


if __name__ == "__main__":
    main()
