"""Streams that lie elsewhere: one file an element, values of the program."""

import pickle

import cv2

import beam_scanner.scannerpy as sp
from beam_scanner.scannerpy.util import sample_video

# scannertools.storage.files and .python, where `import scannerpy` works.
from beam_scanner.storage import FilesStream, PythonStream


@sp.register_python_op()
def write_on(config, frame: sp.FrameType, label: bytes) -> sp.FrameType:
    return cv2.putText(
        frame.copy(),
        *(pickle.loads(label), (10, 40), cv2.FONT_HERSHEY_PLAIN, 3, (255, 255, 255)),
    )


def main():
    sc = sp.Client()
    with sample_video() as path:
        pictures = FilesStream([f"picture-{number}.png" for number in range(3)])
        frames = sc.io.Input([sp.NamedVideoStream(sc, "film", path=path)])
        some = sc.ops.ImageEncoder(frame=sc.streams.Gather(frames, [[0, 70, 130]]))
        sc.run(
            sc.io.Output(some, [pictures]),
            sp.PerfParams.estimate(),
            cache_mode=sp.CacheMode.Overwrite,
        )

    # From files, through an op that also reads a list of this program, to files.
    decoded = sc.ops.ImageDecoder(img=sc.io.Input([pictures]))
    small = sc.ops.Resize(frame=decoded, width=[160], height=[120])
    labels = sc.io.Input([PythonStream(["one", "two", "three"])])
    encoded = sc.ops.ImageEncoder(frame=sc.ops.write_on(frame=small, label=labels))
    paths = [f"labelled-{number}.png" for number in range(3)]
    sc.run(
        sc.io.Output(encoded, [FilesStream(paths)]),
        sp.PerfParams.estimate(),
        cache_mode=sp.CacheMode.Overwrite,
    )
    assert [cv2.imread(path).shape for path in paths] == [(120, 160, 3)] * 3
    print("wrote", ", ".join(paths))


if __name__ == "__main__":
    main()
