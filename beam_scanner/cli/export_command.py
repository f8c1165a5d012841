"""The command ``export``: streams as files that other programs open."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from beam_scanner.cli.args import PROGRAM, Parser
from beam_scanner.cli.database import chosen_streams, open_database
from beam_scanner.cli.output import put
from beam_scanner.errors import ArgumentError
from beam_scanner.exports.file_names import FileNames, make_room
from beam_scanner.exports.films import write_film
from beam_scanner.exports.pictures import PICTURES, write_pictures
from beam_scanner.exports.sheets import rows_of_sheet, write_sheet
from beam_scanner.exports.shot_clips import write_clips
from beam_scanner.exports.shot_lists import SHOT_LISTS, write_shot_list
from beam_scanner.exports.shot_ranges import read_shots, source_of
from beam_scanner.exports.value_tables import TABLES, write_table
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    NamedVideoStream,
)
from beam_scanner.text.printable import printable

KINDS = ("mp4", *PICTURES, "montage", *TABLES, *SHOT_LISTS, "clips")

_ABOUT = """\
Writes streams as files that other programs open.

  mp4                      a video with its sound, without encoding it again; the
                           default for videos
  png, jpg                 a file for each frame, or for each image of a stream of images
  montage                  one PNG of some rows of a video, which --rows chooses
  csv, json, parquet       one table of the values; csv is the default for values
  scenes                   shots as CSV, with the columns of PySceneDetect
  edl, otio, fcp-xml       shots as an edit list: CMX 3600, OpenTimelineIO, Final Cut Pro 7
  chapters                 shots as chapters for FFmpeg
  clips                    the video itself, cut into one MP4 a shot; clips that begin and
                           end at keyframes are copied, the others encoded

Kinds from 'scenes' on take streams 'shots/...' or 'boundaries/...'.
"""

_EXAMPLES = """\
examples:
  {program} export db 'histograms/**' --to tables --as parquet
  {program} export db film.mp4 --to sheets --as montage --rows 0:5000:250
  {program} export db shots/film.mp4 --to edit --as otio
  {program} export db shots/film.mp4 --to clips --as clips --name '{{stem}}-{{number:03}}'
"""


def export_parser() -> Parser:
    """The command's parser."""
    parser = Parser(
        prog=f"{PROGRAM} export",
        description=_ABOUT,
        epilog=_EXAMPLES.format(program=PROGRAM),
    )
    parser.add_argument("database", metavar="DATABASE", help="its folder or URL")
    parser.add_argument(
        "pattern",
        nargs="+",
        metavar="STREAM",
        help="names, or patterns such as 'shots/**' (* stays between slashes)",
    )
    parser.add_argument(
        "--to", required=True, metavar="FOLDER", help="where files go; made if need be"
    )
    parser.add_argument(
        "--as", dest="kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS)
    )
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        help="names of files, of {stream}, {stem} (that without the extension) and "
        "{number} (the row of a picture, the number of a clip); the extension is added",
    )
    parser.add_argument(
        "--rows",
        metavar="ROWS",
        help="of a montage: numbers and ranges START:END:STEP, with commas between; "
        "default: 24 from all over the video",
    )
    parser.add_argument(
        "--video",
        metavar="STREAM",
        help="the video that shots are of; default: what follows the first slash of "
        "their stream's name",
    )
    return parser


@dataclass(frozen=True)
class _Export:
    """What is to be written of a stream; null rows of a video have no file."""

    paths: Sequence[str]
    write: Callable[[], object]


def export_command(args: argparse.Namespace) -> None:
    """Writes the files, and prints their names.

    Raises:
        ScannerException: A stream is missing or of another kind, or a file exists or
            cannot be written.
    """
    storage = open_database(args.database)
    exports = [_plan(storage, name, args) for name in chosen_streams(storage, args)]
    make_room([path for export in exports for path in export.paths])
    for export in exports:
        export.write()
        for path in filter(os.path.exists, export.paths):
            put(printable(path))


def _plan(storage: NamedStorage, name: str, args: argparse.Namespace) -> _Export:
    is_video = NamedStream(storage, name).descriptor().kind == "video"
    stream = (NamedVideoStream if is_video else NamedStream)(storage, name)
    kind = args.kind or ("mp4" if is_video else "csv")
    of_videos = ("mp4", *PICTURES, "montage")
    if is_video and kind not in of_videos:
        raise ArgumentError(
            f"stream {name!r} is a video: expected one of {', '.join(of_videos)}"
        )
    if kind in ("mp4", "montage") and not is_video:
        raise ArgumentError(f"stream {name!r} is no video: expected csv, json, ...")
    if args.rows is not None and kind != "montage":
        raise ArgumentError(f"--rows is for --as montage, not for {kind}")
    if kind in PICTURES:
        names = FileNames(args.to, args.name or "{stem}/{number:06}")
        paths = [names.path(name, f".{kind}", row) for row in range(stream.len())]
        return _Export(paths, lambda: write_pictures(stream, paths))
    if kind == "clips":
        shots = read_shots(stream, source_of(stream, args.video))
        names = FileNames(args.to, args.name or "{stem}/{number:03}")
        numbers = range(1, len(shots.ranges) + 1)
        paths = [names.path(name, ".mp4", number) for number in numbers]
        return _Export(paths, lambda: write_clips(shots, paths))
    if isinstance(stream, NamedVideoStream) and kind == "montage":
        rows = rows_of_sheet(stream, args.rows)
        path = FileNames(args.to, args.name or "{stem}").path(name, ".png")
        return _Export([path], partial(write_sheet, stream, rows, path))
    extension = SHOT_LISTS.get(kind, f".{kind}")
    path = FileNames(args.to, args.name or "{stem}").path(name, extension)
    write = _writer(stream, kind, args.video)
    return _Export([path], lambda: write(path))


def _writer(
    stream: NamedStream, kind: str, video: str | None
) -> Callable[[str], object]:
    """What writes one file."""
    if kind in SHOT_LISTS:
        shots = read_shots(stream, source_of(stream, video))
        return lambda path: write_shot_list(shots, kind, path)
    if isinstance(stream, NamedVideoStream):
        return partial(write_film, stream)
    return lambda path: write_table(stream, path)
