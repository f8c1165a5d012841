"""Fits the weights with which the local detector finds gradual transitions.

``python benchmarks/fit_shots.py CLIP | FOLDER ... [--seeds 2] [--shots 30]`` composes
films as ``shots.py`` does and prints the weights for ``ops/_local_shots.py``. Films of
some other clips than those that the weights are judged by should be used.
"""

from __future__ import annotations

import argparse
from typing import Any

import av
import numpy as np
from shots import CONFIG, films, sets_of
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from beam_scanner.ops import _local_shots
from beam_scanner.ops._flicker import without_flicker
from beam_scanner.ops._shot_changes import Features, chunks, spaced
from beam_scanner.ops.detect_shots import DETECTORS
from beam_scanner.ops.shot_features import ShotFeatures

LOCAL = DETECTORS["local"]
TIMES = 3.0
"""How much more a row in a transition counts than another."""


def evidence_of(path: Any) -> Any:
    """float64[rows, 21] of a film."""
    kernel = ShotFeatures(CONFIG)
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        features = without_flicker(
            Features(
                [kernel.execute(frame.to_ndarray(format="rgb24")) for frame in frames]
            )
        )
    rows = len(features)
    contrast = features.luma.std(axis=1, dtype=np.float64)
    sure = _local_shots._cuts(features, contrast, LOCAL.floor or 0.0)
    found = np.flatnonzero(sure >= LOCAL.threshold)
    cuts = np.array(spaced(found, sure[found], LOCAL.min_length, rows), np.int64)
    first, last = _local_shots._shots_of_rows(cuts, rows)
    return np.concatenate(
        [
            _local_shots._evidence(features, contrast, part, first, last)[0]
            for part in chunks(rows)
        ]
    )


def labels_of(rows: int, transitions: list[tuple[int, int]]) -> Any:
    """1 in the middle half of gradual transitions, -1 near any, 0 elsewhere."""
    labels = np.zeros(rows, np.int8)
    for before, after in transitions:
        labels[max(0, before - 1) : after + 2] = -1
        if after - before > 1:
            margin = (after - before) // 4
            labels[before + 1 + margin : after - margin] = 1
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="*")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--shots", type=int, default=30)
    args = parser.parse_args()
    evidence, labels = [], []
    for _, path, transitions in films(
        sets_of(args.clips), args.seeds, args.shots, quick=False
    ):
        evidence.append(evidence_of(path))
        labels.append(labels_of(len(evidence[-1]), transitions))
    rows, wanted = np.concatenate(evidence), np.concatenate(labels)
    rows, wanted = rows[wanted >= 0], wanted[wanted >= 0]
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(C=0.1, max_iter=1000)
    model.fit(
        scaler.transform(rows), wanted, sample_weight=np.where(wanted, TIMES, 1.0)
    )
    weights = model.coef_[0] / scaler.scale_
    print(np.round(weights.reshape(len(_local_shots.SPANS), -1), 2).tolist())
    print(round(float(model.intercept_[0] - weights @ scaler.mean_), 2))


if __name__ == "__main__":
    main()
