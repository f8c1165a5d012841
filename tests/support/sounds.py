"""Sounds whose samples are known, in many formats."""

from __future__ import annotations

import wave
from fractions import Fraction

import av
import numpy as np

from tests.support.video_fixtures import make_video


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


def film_with_sound(path, codec: str, rate: int = 48000, frames: int = 100, **options):
    """Writes numbered frames, 25 a second, and a tone that rises all the time.

    Args:
        path: The extension chooses the container.
        codec: FFmpeg's name of the encoder of the sound.
        rate: Samples a second.
        frames: How many.
        options: Of ``make_video``.
    """
    pictures = make_video(path.with_suffix(".silent.mp4"), frames=frames, **options)
    tone = music(frames * rate // 25, rate)
    sound = write_audio(path.with_suffix(f".sound{path.suffix}"), tone, rate, codec)
    with (
        av.open(pictures) as video,
        av.open(sound) as audio,
        av.open(str(path), "w") as out,
    ):
        made = [
            out.add_stream_from_template(each.streams[0], opaque=True)
            for each in (video, audio)
        ]
        for source, stream in zip((video, audio), made, strict=True):
            for packet in source.demux():
                if packet.size:
                    base = packet.time_base
                    packet.stream, packet.time_base = stream, base
                    out.mux(packet)
    return path


def heard(path, rate: int) -> np.ndarray:
    """float32[n]: what is heard of a file, from its time 0 on; silence is 0."""
    with av.open(str(path)) as container:
        to_float = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        found, place = np.zeros(0, np.float32), -rate
        for frame in container.decode(audio=0):
            assert isinstance(frame, av.AudioFrame)
            claimed = round(float(frame.pts * frame.time_base) * rate)
            # Matroska rounds times to milliseconds.
            if abs(claimed - place) > rate // 500:
                place = claimed
            for part in to_float.resample(frame):
                samples = part.to_ndarray()[0]
                end = place + len(samples)
                found = np.pad(found, (0, max(0, end - len(found))))
                found[max(place, 0) : max(end, 0)] = samples[max(-place, 0) :]
                place = end
    return found
