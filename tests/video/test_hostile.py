"""What a file claims costs no memory that its size does not explain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import write

SEED = int(os.environ.get("HOSTILE_SEED", "7"))
MOST_MIB, MOST_SECONDS = 200, 60

# Opens each file in a fork, whose memory is measured from there.
_CHILD = """
import json, os, resource, signal, sys, time
import numpy, av
from beam_scanner.errors import ScannerException
from beam_scanner.video import open as open_video
from beam_scanner.video.audio import index_audio
import beam_scanner.video.decoder, beam_scanner.video.scan, beam_scanner.video.salvage

def use(path):
    if path.endswith('.wav'):
        return f'{index_audio(path).samples} samples'
    with open_video(path, damage=sys.argv[1]) as video:
        return f'{len(video)} rows, {[type(video[row]).__name__ for row in (0, -1)]}'

for path in sys.argv[2:]:
    read, write = os.pipe()
    if not os.fork():
        signal.alarm(120)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            told = use(path)
        except ScannerException as error:
            told = f'{type(error).__name__}: {error}'
        except BaseException as error:
            told = f'BARE {type(error).__name__}: {error}'
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(write, json.dumps([told[:4000], (after - before) / 1024]).encode())
        os._exit(0)
    os.close(write)
    began = time.monotonic()
    told, most = json.loads(os.read(read, 1 << 16) or b'["BARE died", 0]')
    os.wait(); os.close(read)
    print(json.dumps([path, told, most, time.monotonic() - began]), flush=True)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    print(f"seed {SEED}")
    return write(tmp_path_factory.mktemp("hostile"), SEED)


@pytest.mark.parametrize("damage", ["strict", "salvage"])
def test_memory_is_bounded(files, damage):
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, damage, *map(str, files)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(files), done.stderr[-2000:]
    bad = [
        (Path(path).name, text, round(most), round(seconds))
        for path, text, most, seconds in told
        if text.startswith("BARE") or most > MOST_MIB or seconds > MOST_SECONDS
    ]
    assert bad == []
    # Errors name the file.
    assert [
        text for path, text, *_ in told if "Error:" in text and path not in text
    ] == []
