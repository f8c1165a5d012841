"""Beam YAML: pipelines of the provider file, and what the file says of itself."""

from __future__ import annotations

import glob
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
import yaml
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner import FrameType, NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.kernels import Kernel, register_python_op
from beam_scanner.ops import register_ops
from tests.support.folders import ROOT
from tests.support.video_fixtures import frame_number, make_video

pytest.importorskip("jsonschema")
provider = pytest.importorskip("apache_beam.yaml.yaml_provider")
transform = pytest.importorskip("apache_beam.yaml.yaml_transform")

PROVIDERS = ROOT / "beam_scanner" / "yaml" / "providers.yaml"
register_ops()


def number(config: Any, frame: FrameType) -> Any:
    return frame_number(frame)


def halves(config: Any, frame: FrameType) -> tuple[Any, FrameType]:
    return frame_number(frame), frame[::2, ::2]


def difference(config: Any, left: FrameType, right: FrameType) -> Any:
    return frame_number(left) - frame_number(right)


@register_python_op(name="YamlCount", unbounded_state=True)
class Count(Kernel):
    """Counts the rows of its group."""

    def reset(self) -> None:
        self.seen = 0

    def execute(self, frame: FrameType) -> bytes:
        self.seen += 1
        return b"%d" % self.seen


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    make_video(tmp_path / "films" / "a.mp4", frames=30)
    make_video(tmp_path / "films" / "b.mp4", frames=20, first_number=500)
    return tmp_path / "films"


def run(transforms: str, folder: Path, kind: str = "composite") -> dict[str, int]:
    """Runs transforms, gives the counters; ``{folder}`` is filled in."""
    spec = yaml.load(
        f"pipeline:\n  type: {kind}\n  transforms:\n"
        + transforms.replace("{folder}", str(folder))
        + f"\nproviders:\n  - include: {PROVIDERS}\n",
        Loader=transform.SafeLineLoader,
    )
    flags = ["--runner=FnApiRunner", "--direct_running_mode=in_memory"]
    pipeline = beam.Pipeline(options=PipelineOptions(flags))
    transform.expand_pipeline(pipeline, spec, validate_schema="generic")
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query()["counters"]
    return {
        metric.key.metric.name: metric.result
        for metric in found
        if metric.key.metric.namespace == "beam_scanner"
    }


def records(path: Path) -> list[dict[str, Any]]:
    """What WriteToJson wrote, in no order."""
    return [
        json.loads(line)
        for file in glob.glob(f"{path}*")
        for line in Path(file).read_text().splitlines()
    ]


def stored(db: Path, name: str) -> list[Any]:
    return list(NamedStream(NamedStorage(str(db)), name).load())


@pytest.mark.slow
def test_the_example(films: Path, tmp_path: Path) -> None:
    (films / "c.mp4").write_text("no video")
    variables = {"input": f"{films}/*.mp4", "output": str(tmp_path / "out")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "apache_beam.yaml.main",
            "--yaml_pipeline_file=examples/brightness_beam.yaml",
            f"--jinja_variables={json.dumps(variables)}",
            "--runner=FnApiRunner",
            "--direct_running_mode=in_memory",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (failure,) = records(tmp_path / "out" / "failures.json")
    assert failure["stream"] == "c.mp4"
    assert "FFmpeg" in failure["reason"]
    small = NamedVideoStream(NamedStorage(str(tmp_path / "out" / "db")), "small/b.mp4")
    assert [frame_number(frame) for frame in small.load()] == [500, 508, 516]
    bright = records(tmp_path / "out" / "bright.json")
    assert {record["film"] for record in bright} == {"b.mp4"}
    assert all(0.4 < record["brightness"] < 1 for record in bright)


@pytest.mark.slow
def test_branches_of_a_source_decode_it_once(films: Path, tmp_path: Path) -> None:
    counters = run(
        """
    - {type: ReadFromVideo, config: {pattern: '{folder}/films/a.mp4'}}
    - {type: Range, name: A, input: ReadFromVideo, config: {start: 0, end: 9}}
    - {type: Ranges, name: B, input: ReadFromVideo, config: {intervals: [[3, 6]]}}
    - {type: Op, name: One, input: A, config: {op: 'tests.yaml.test_transforms:number'}}
    - {type: Op, name: Other, input: B, config: {op: 'tests.yaml.test_transforms:number'}}
    - {type: WriteToNamedStream, name: W1, input: One,
       config: {db: '{folder}/db', name: one}}
    - {type: WriteToNamedStream, name: W2, input: Other,
       config: {db: '{folder}/db', name: other}}
    - {type: StreamsToRows, input: Other}
    - {type: WriteToJson, input: StreamsToRows, config: {path: '{folder}/rows'}}
    """,
        tmp_path,
    )
    assert stored(tmp_path / "db", "one") == [*range(9)]
    assert stored(tmp_path / "db", "other") == [3, 4, 5]
    rows = sorted(records(tmp_path / "rows"), key=lambda row: row["row"])
    assert rows == [
        {
            "stream": "a.mp4",
            "group": 0,
            "row": row,
            "pts_seconds": pytest.approx((row + 3) / 25),
            "value": row + 3,
        }
        for row in range(3)
    ]
    assert counters["frames_needed"] == 9
    assert counters["frames_decoded"] < 18


@pytest.mark.slow
def test_several_inputs_and_outputs(films: Path, tmp_path: Path) -> None:
    run(
        """
    - {type: ReadFromVideo, name: Films, config: {pattern: '{folder}/films/*.mp4'}}
    - {type: Gather, name: Late, input: Films, config: {rows: [9, 9, 11]}}
    - {type: Gather, name: Early, input: Films, config: {rows: [2, 0, 1]}}
    - {type: Op, name: Both, input: {left: Late, right: Early},
       config: {op: 'tests.yaml.test_transforms:difference'}}
    - {type: WriteToNamedStream, input: Both,
       config: {db: '{folder}/db', name: 'both/{stream}'}}
    - {type: Op, name: Halves, input: Late, config: {op: 'tests.yaml.test_transforms:halves'}}
    - {type: WriteToNamedStream, name: W0, input: Halves.ret0,
       config: {db: '{folder}/db', name: 'ret0/{stream}'}}
    - {type: WriteToNamedVideo, name: W1, input: Halves.ret1,
       config: {db: '{folder}/db', name: 'ret1/{stream}', encoding: {codec: raw}}}
    """,
        tmp_path,
    )
    db = tmp_path / "db"
    assert stored(db, "both/a.mp4") == stored(db, "both/b.mp4") == [7, 9, 10]
    assert stored(db, "ret0/b.mp4") == [509, 509, 511]
    assert [frame_number(f) for f in stored(db, "ret1/b.mp4")] == [509, 509, 511]


@pytest.mark.slow
def test_slices_and_the_way_out_and_back(films: Path, tmp_path: Path) -> None:
    run(
        """
    - type: Create
      config: {elements: [{film: '{folder}/films/b.mp4'}, {film: '{folder}/none'}]}
    - {type: ReadAllFromVideo, config: {field: film}}
    - {type: Slice, config: {partition: all, arguments: {group_size: 8}}}
    - {type: Op, config: {op: 'tests.yaml.test_transforms:Count'}}
    - {type: StreamsToRows}
    - {type: Filter, config: {language: python, keep: 'row % 4 == 3'}}
    - {type: WriteToNamedStream, config: {db: '{folder}/db', name: 'few/{stream}'}}
    - {type: WriteToJson, config: {path: '{folder}/commits'}}
    """,
        tmp_path,
        kind="chain",
    )
    assert stored(tmp_path / "db", "few/b.mp4") == [b"4", b"8", b"4", b"8", b"4"]
    (commit,) = records(tmp_path / "commits")
    assert (commit["stream"], commit["rows"]) == ("few/b.mp4", 5)


@pytest.mark.slow
def test_failures_of_rows_that_left(films: Path, tmp_path: Path) -> None:
    run(
        """
    - {type: ReadFromVideo, config: {pattern: '{folder}/films/*.mp4'}}
    - {type: Gather, input: ReadFromVideo, config: {rows: [25]}}
    - {type: InfoFromFrame, input: Gather}
    - {type: StreamsToRows, input: InfoFromFrame,
       config: {error_handling: {output: bad}}}
    - {type: MapToFields, name: Names, input: StreamsToRows, config: {fields: {s: stream}}}
    - {type: WriteToJson, name: Good, input: Names, config: {path: '{folder}/good'}}
    - {type: WriteToJson, name: Bad, input: StreamsToRows.bad,
       config: {path: '{folder}/bad'}}
    """,
        tmp_path,
    )
    assert records(tmp_path / "good") == [{"s": "a.mp4"}]
    (failure,) = records(tmp_path / "bad")
    assert failure["stream"] == "b.mp4"
    assert "25" in failure["reason"]


@pytest.mark.slow
def test_streams_of_a_database(tmp_path: Path) -> None:
    db = NamedStorage(str(tmp_path / "db"))
    for name in ("x/1", "x/2", "y"):
        NamedStream(db, name).save([name.encode(), b"last"])
    run(
        """
    - {type: ReadFromNamedStream, config: {db: '{folder}/db', pattern: 'x/*'}}
    - {type: RepeatNull, config: {spacing: 2}}
    - {type: StreamsToRows}
    - type: MapToFields
      config:
        language: python
        fields: {stream: stream, row: row, text: 'value.decode() if value else None'}
    - {type: WriteToJson, config: {path: '{folder}/rows'}}
    """,
        tmp_path,
        kind="chain",
    )
    found = {(r["stream"], r["row"]): r["text"] for r in records(tmp_path / "rows")}
    assert found == {
        (name, row): text
        for name in ("x/1", "x/2")
        for row, text in enumerate([name, None, "last", None])
    }


READ = "    - {type: ReadFromVideo, config: {pattern: '{folder}/films/*.mp4'}}\n    "


OUT = "- {type: StreamsToRows}\n    "

WRONG = {
    "- {type: Op, config: {op: Nope}}": "Op Nope does not exist",
    "- {type: Op, config: {op: 'nowhere:x'}}": "no kernel 'nowhere:x'",
    "- {type: Stride, config: {stride: many}}": "Stride",
    "- {type: Stride, config: {stride: 2, x: 1}}": "unexpected argument 'x'",
    "- {type: Slice, config: {partition: no, arguments: {}}}": "no partition",
    "- {type: MapToFields, config: {fields: {x: y}}}": "input fields are|unknown input fields",
    f"{OUT}- {{type: Stride, config: {{stride: 2}}}}": "Stride takes whole streams",
    f"{OUT}- {{type: Histogram}}": "Histogram takes whole streams",
    f"{OUT}- {{type: ReadAllFromVideo}}": "takes rows with path",
    f"{OUT}- {{type: ReadAllFromVideo, config: {{field: row}}}}": "field row .* type int",
    f"{OUT}- {{type: MapToFields, config: {{fields: {{stream: stream}}}}}}\n"
    "    - {type: WriteToNamedStream, config: {db: db}}": "row, value; its input has",
    "- {type: WriteToNamedVideo, config: {db: db, encoding: {codec: no}}}": "codec",
    "- {type: WriteToNamedVideo, config: {db: db, name: '{stream}', "
    "error_handling: {}}}": "Missing output",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_what_cannot_be(text: str, message: str, films: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=message):
        run(READ + text, tmp_path, kind="chain")


def _providers() -> Iterator[Any]:
    (found,) = provider.load_providers(str(PROVIDERS))
    for name in found.provided_transforms():
        yield pytest.param(found, name, id=name)


@pytest.mark.parametrize(("found", "name"), list(_providers()))
def test_the_catalogue(found: Any, name: str) -> None:
    assert found.description(name)
    for field in found.config_schema(name).fields:
        assert field.description, f"{name} does not say what {field.name} is"
    assert name not in provider.standard_providers()


def test_every_op_and_sampler_is_there() -> None:
    from beam_scanner import transforms

    (found,) = provider.load_providers(str(PROVIDERS))
    # It takes a PCollection of names; a function.
    left_out = {"ReadAllFromNamedStream", "VideoGraph"}
    wanted = {
        name
        for name in transforms.__all__
        if isinstance(value := getattr(transforms, name), type)
        and issubclass(value, beam.PTransform)
    }
    assert wanted - left_out <= set(found.provided_transforms())
