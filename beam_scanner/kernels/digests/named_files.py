"""Digests of files that arguments and other values name, such as models."""

from __future__ import annotations

import hashlib
import os
import re
import stat

_WHOLE = 64 << 20
_PIECE = 256 << 10
_PIECES = 16
_LONGEST = 4096
_KINDS = re.compile(
    r"\.(so(\.\d+)*|dylib|dll|pyd"  # native libraries
    r"|onnx|ort|engine|plan|trt|tflite|mlmodel|xml|bin|pt2?|pth|pts?|ckpt|safetensors"
    r"|gguf|h5|hdf5|keras|pbtxt|pb|caffemodel|prototxt|weights|cfg|names|params|model"
    r"|pkl|pickle|joblib|npy|npz|mat|spm|vocab|parquet|arrow|feather|csv|tsv"
    r"|ya?ml|toml|ini|json|cube|icc|ttf|otf|png|jpe?g|tiff?|bmp|webp|exr|svg)",
    re.IGNORECASE,
)

_known: dict[tuple[object, ...], str] = {}
_KNOWN = 4096


def file_digest(text: str) -> str | None:
    """A digest of the content of the file at a path; None if no file is there.

    Only files count that kernels read: models, weights, native libraries, arrays,
    tables, settings, fonts and pictures, known by their endings. Marks, logs and text
    files are what kernels write. Of a file of more than 64 MiB, size, time of change and
    pieces count; of a smaller one the content, and nothing else.

    Args:
        text: An argument of an op, or any other value.

    Examples:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix='.bin') as file:
        ...     _ = file.write(b'weights')
        ...     file.flush()
        ...     len(file_digest(file.name))
        32
        >>> file_digest('mark.txt') is None
        True
    """
    if not 2 < len(text) < _LONGEST or "\n" in text or "\0" in text:
        return None
    if not is_for_reading(text):
        return None
    path = os.path.expanduser(text)
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            return None
        return _digest(path, found)
    except (OSError, ValueError):
        return None


def is_for_reading(name: str) -> bool:
    """Whether the ending of a file's name is one of files that kernels read.

    Examples:
        >>> is_for_reading('yolo.onnx'), is_for_reading('yolo.log')
        (True, False)
    """
    return _KINDS.fullmatch(name, _ending(name)) is not None


def _ending(text: str) -> int:
    """Where the ending of a name begins: libfoo.so.1.2 ends in .so.1.2."""
    library = text.rfind(".so.")
    return library if library > text.rfind(os.sep) else max(text.rfind("."), 0)


def _digest(path: str, found: os.stat_result) -> str:
    size = found.st_size
    key = found.st_dev, found.st_ino, size, found.st_mtime_ns, found.st_ctime_ns
    if key not in _known:
        digest = hashlib.blake2b(b"%d" % size, digest_size=16)
        with open(path, "rb") as file:
            if size <= _WHOLE:
                while data := file.read(1 << 20):
                    digest.update(data)
            else:
                digest.update(b"%d" % found.st_mtime_ns)
                for number in range(_PIECES):
                    file.seek(number * (size - _PIECE) // (_PIECES - 1))
                    digest.update(file.read(_PIECE))
        if len(_known) >= _KNOWN:
            _known.clear()
        _known[key] = digest.hexdigest()
    return _known[key]
