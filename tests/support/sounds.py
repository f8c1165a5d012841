"""Sounds whose samples are known, in many formats."""

from __future__ import annotations

import wave
from fractions import Fraction

import av
import numpy as np


def noise(samples: int, seed: int = 0, channels: int = 1) -> np.ndarray:
    """int16[samples, channels]; no two places sound alike."""
    rng = np.random.default_rng(seed)
    return rng.integers(-20000, 20000, (samples, channels)).astype(np.int16)


def music(samples: int, rate: int) -> np.ndarray:
    """int16[samples, 1] that lossy codecs keep: a tone that rises all the time."""
    t = np.arange(samples) / rate
    wave_ = np.sin(2 * np.pi * (200 * t + 5 * t**2)) * (0.5 + 0.4 * np.sin(3 * t))
    return (wave_[:, None] * 16000).astype(np.int16)


def write_wav(path, samples: np.ndarray, rate: int = 8000) -> str:
    """Writes int16[n, channels], without FFmpeg."""
    with wave.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


def write_audio(
    path,
    samples: np.ndarray,
    rate: int,
    codec: str,
    start: int = 0,
    skip: range = range(0),
    **options: str,
) -> str:
    """Encodes int16[n, channels] with FFmpeg.

    Args:
        start: Time of the first sample, in samples.
        skip: Numbers of packets that get lost.
    """
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = layout
        stream.codec_context.options = options
        number = 0
        pieces = [samples[i : i + 1024] for i in range(0, len(samples), 1024)]
        for i, piece in enumerate([*pieces, None]):
            frame = None
            if piece is not None:
                flat = np.ascontiguousarray(piece).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(flat, format="s16", layout=layout)
                frame.sample_rate, frame.pts = rate, start + i * 1024
                frame.time_base = Fraction(1, rate)
            for packet in stream.encode(frame):
                if number not in skip:
                    container.mux(packet)
                number += 1
    return str(path)


def linear(path) -> np.ndarray:
    """All samples of the first channel as a plain decode gives them, float32."""
    with av.open(str(path)) as container:
        to_float = av.AudioResampler(format="fltp")
        found = []
        for frame in container.decode(container.streams.best("audio")):
            assert isinstance(frame, av.AudioFrame)
            found += [f.to_ndarray()[0] for f in to_float.resample(frame)]
        found += [f.to_ndarray()[0] for f in to_float.resample(None)]
    return np.concatenate(found)
