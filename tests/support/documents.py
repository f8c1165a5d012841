"""Code blocks of Markdown files, and how they are run."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam

from beam_scanner import ops
from beam_scanner.cli.main import main
from beam_scanner.kernels import registered_ops, registry
from tests.support.folders import ROOT
from tests.support.video_fixtures import make_video


@dataclass(frozen=True)
class Block:
    """A fenced block; ``file`` is set where it is to be written to a file."""

    language: str
    text: str
    file: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that name a language."""
    found = re.findall(
        r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", page.read_text(), re.M | re.S
    )
    return [Block(language, text, file) for language, file, text in found]


def make_films(folder: Path) -> None:
    """The videos that the pages speak of."""
    make_video(folder / "film.mp4", frames=64)
    (folder / "films").mkdir()
    make_video(folder / "films" / "a.mp4", frames=60)
    make_video(folder / "films" / "b.mp4", frames=51, first_number=9)


@contextmanager
def forgotten() -> Iterator[None]:
    """Ops that are registered, and modules of the current folder, go in the end."""
    ops.register_ops()
    names, path, folder = set(registered_ops()), list(sys.path), os.getcwd()
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(registered_ops()) - names:
            registry().remove(name)
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(folder):
                del sys.modules[name]


def run_block(block: Block) -> None:
    """Runs a block in the current folder, with globals of its own."""
    if block.file:
        Path(block.file).write_text(block.text)
    elif block.language == "python":
        exec(
            compile(block.text, "block", "exec", dont_inherit=True),
            {"__name__": "__main__"},
        )
    elif block.language == "yaml":
        _run_yaml(block.text)
    else:
        assert block.language == "sh", f"a block in {block.language!r} is not run"
        for line in block.text.splitlines():
            program, *args = shlex.split(line)
            assert program == "beam-scanner", line
            args += [] if args[0] in _DATABASE else ["--direct_running_mode=in_memory"]
            assert main(args) == 0, line


def _run_yaml(text: str) -> None:
    from apache_beam.yaml.main import build_pipeline_components_from_yaml
    from apache_beam.yaml.yaml_transform import expand_jinja

    flags = ["--runner=FnApiRunner"]
    options, build = build_pipeline_components_from_yaml(
        expand_jinja(text, {}, [str(ROOT)]), flags
    )
    with beam.Pipeline(options=options) as pipeline:
        build(pipeline)


_DATABASE = ("ls", "show", "export", "failures", "jobs", "cancel", "rm", "gc")
