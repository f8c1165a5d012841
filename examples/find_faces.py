"""Finds the faces in a folder of videos: boxes, a preview, and a picture of each face.

python examples/find_faces.py films out
python examples/find_faces.py films out --beam --runner=FnApiRunner

Leaves, in out/: the database db with the boxes as Parquet (faces/<film>), the preview
(preview/<film>) and JPEG files of the faces (pictures/<film>); and for looking at it the
previews and pictures as files. It is written twice, for Client and as a Beam pipeline:
both leave the same. Needs pip install '.[faces]'.

The boxes, as a table with DuckDB:

    select row, time, unnest(value) as face from 'out/db/faces/*/*/*.parquet'
"""

import argparse
from pathlib import Path

import apache_beam as beam
import cv2
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner import (
    Client,
    FrameType,
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.transforms import (
    DetectFaces,
    DrawBboxes,
    ReadFromVideo,
    Stride,
    WriteToNamedStream,
    WriteToNamedVideo,
    op,
)
from beam_scanner.types import BboxList

EVERY = 5
SIDE = 96


@register_python_op(name="CutFaces")
def cut_faces(config, frame: FrameType, bboxes: BboxList) -> list[bytes]:
    """A JPEG file of each face."""
    height, width = frame.shape[:2]
    pictures = []
    for box in bboxes:
        top, bottom = int(box.y1 * height), int(box.y2 * height) + 1
        left, right = int(box.x1 * width), int(box.x2 * width) + 1
        face = cv2.resize(frame[top:bottom, left:right], (SIDE, SIDE))
        pictures.append(cv2.imencode(".jpg", face[..., ::-1])[1].tobytes())
    return pictures


def with_client(films: list[Path], database: Path) -> None:
    with Client(db_path=str(database)) as sc:
        videos = [NamedVideoStream(sc, film.name, path=str(film)) for film in films]
        frames = sc.streams.Stride(sc.io.Input(videos), [EVERY])
        faces = sc.ops.DetectFaces(frame=frames)
        made = {
            "faces": (faces, NamedStream),
            "preview": (
                sc.ops.DrawBboxes(frame=frames, bboxes=faces),
                NamedVideoStream,
            ),
            "pictures": (sc.ops.CutFaces(frame=frames, bboxes=faces), NamedStream),
        }
        outputs = [
            sc.io.Output(column, [kind(sc, f"{name}/{film.name}") for film in films])
            for name, (column, kind) in made.items()
        ]
        sc.run(outputs, PerfParams.estimate())


def with_beam(films: Path, database: Path, flags: list[str]) -> None:
    with beam.Pipeline(options=PipelineOptions(flags)) as p:
        frames = p | ReadFromVideo(str(films)) | Stride(EVERY)
        faces = frames | DetectFaces()
        both = {"frame": frames, "bboxes": faces}
        faces | WriteToNamedStream(str(database), name="faces/{stream}")
        preview = both | DrawBboxes()
        preview | WriteToNamedVideo(str(database), name="preview/{stream}")
        pictures = both | op(cut_faces)()
        pictures | "Pictures" >> WriteToNamedStream(
            str(database), name="pictures/{stream}"
        )


def write_files(films: list[Path], database: Path, folder: Path) -> None:
    """The previews and pictures, to look at."""
    storage = NamedStorage(str(database))
    for film in films:
        NamedVideoStream(storage, f"preview/{film.name}").save_mp4(
            str(folder / f"{film.stem} with faces")
        )
        rows = NamedStream(storage, f"pictures/{film.name}").load()
        for row, pictures in enumerate(rows):
            for number, picture in enumerate(pictures):
                name = f"{film.stem} {row * EVERY:06} {number}.jpg"
                (folder / name).write_bytes(picture)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("films", type=Path, help="folder of videos")
    parser.add_argument("output", type=Path, help="folder that is made")
    parser.add_argument("--beam", action="store_true", help="as a Beam pipeline")
    known, flags = parser.parse_known_args()
    films, database = sorted(known.films.iterdir()), known.output / "db"
    if known.beam:
        with_beam(known.films, database, flags)
    else:
        with_client(films, database)
    write_files(films, database, known.output)


if __name__ == "__main__":
    main()
