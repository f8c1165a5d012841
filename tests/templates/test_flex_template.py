"""The Flex Template: its metadata against the command, its spec against the service."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.cli.args import parse_run, run_parser
from beam_scanner.cli.graphs import output_name
from beam_scanner.cli.ops_language import parse_ops
from beam_scanner.errors import ArgumentError
from beam_scanner.run.options import ScannerOptions
from beam_scanner.runners import dataflow
from tests.support.folders import ROOT

types = pytest.importorskip(
    "google.cloud.dataflow_v1beta3.types", reason="needs the gcp extra"
)

FOLDER = ROOT / "templates" / "dataflow"
METADATA = json.loads((FOLDER / "metadata.json").read_text())
PARAMETERS = {parameter["name"]: parameter for parameter in METADATA["parameters"]}

GPU = "type:nvidia-l4;count:1;machine_type:g2-standard-8;install-nvidia-driver"

EXAMPLES: dict[str, tuple[list[str], list[str]]] = {
    "input": (
        ["gs://bucket/film.mp4", "gs://b/films/**/*.mp4", "gs://b/a b/[0-9].mkv"],
        ["film.mp4", "gs://bucket", "/home/film.mp4", "https://host/film.mp4"],
    ),
    "output": (["gs://bucket/db", "gs://bucket/a/b/"], ["db", "gs://bucket", ""]),
    "ops": (
        [
            "Histogram()",
            "Stride(8) | Resize(width=320, height=180) | Histogram()",
            " Slice(ranges([(0, 10), (40, 60)])) | FrameDifference() | Unslice() ",
            "ImageEncoder(format='jpg', quality=80)",
        ],
        ["", "Histogram", "8 | Histogram()"],
    ),
    "graph": (
        ["my_graphs.py:faces", "package.module:function", "graphs/my-own.py:f2"],
        ["faces", "my_graphs.py", "my_graphs.py:2f", ":f", "a:b:c d"],
    ),
    "load": (["my_ops.py", "package.ops", "ops/more-ops.py"], ["", "a b", "x;y"]),
    "name": (
        ["{output}/{input}", "{stem}", "run 2/{output} of {stem}"],
        ["{outputs}", "{output", "plain", "{output:>9}"],
    ),
    "cache_mode": (["error", "ignore", "overwrite"], ["Error", "", "ignored"]),
    "work_packet_size": (["1", "250"], ["0", "-1", "1.5", "ten", "٣"]),
    "io_packet_size": (["1", "4000"], ["0", "-1", "1e3", ""]),
    "decoder": (["cpu", "cuda"], ["gpu", "CUDA", ""]),
    "accelerator": (
        [
            GPU,
            "type:nvidia-tesla-t4;count:2;install-nvidia-driver",
            "type:nvidia-l4;count:1;install-nvidia-driver:latest",
        ],
        ["nvidia-l4", "type:nvidia-l4;count:0;install-nvidia-driver", "count:1"],
    ),
    "min_ram": (["16GB", "1.5TB", "900MiB"], ["16", "much", "GB"]),
    "task_timeout": (["60.0", "1.5"], ["0", "-1", "1e3", "", "soon"]),
    "max_attempts": (["1", "10"], ["0", "-1", "1.5", "three"]),
    "max_failures": (["20", "0.05", "0"], ["-1", "1.5", "0.0", "5%", ""]),
}


def accepts(name: str, text: str) -> bool:
    """Whether every regex of a parameter fits all of the text."""
    return all(re.fullmatch(regex, text) for regex in PARAMETERS[name]["regexes"])


def take(name: str, text: str) -> Any:
    """What the command makes of a parameter.

    Raises:
        ArgumentError: It does not take it.
    """
    given = {"input": "gs://bucket/a.mp4", "output": "gs://bucket/db", name: text}
    flags = [f"--{key}={value}" for key, value in given.items()]
    args, left = parse_run(run_parser("run"), ["--runner=DataflowRunner", *flags])
    if name == "ops":
        parse_ops(args.ops)
    if name == "name":
        output_name(args.name, "faces", "a/film.mp4")
    if name in ("accelerator", "min_ram"):
        hints = dataflow.run_hints(PipelineOptions(left))
        assert hints == {name: text}
    return getattr(PipelineOptions(left).view_as(ScannerOptions), name, None) or (
        getattr(args, name)
    )


def cases(which: int) -> list[tuple[str, str]]:
    return [(name, text) for name in EXAMPLES for text in EXAMPLES[name][which]]


def valued(parser: Any) -> set[str]:
    """The options of ``run`` that take a value, as parameters can be named."""
    names = set()
    for action in parser._actions:
        if action.nargs != 0:
            names |= {action.option_strings[-1].removeprefix("--")}
    return names


def test_the_service_can_read_it() -> None:
    read = types.TemplateMetadata.from_json(
        json.dumps(METADATA), ignore_unknown_fields=False
    )
    assert read.name == METADATA["name"]
    assert not read.streaming
    assert [parameter.name for parameter in read.parameters] == list(PARAMETERS)


def test_a_field_that_the_service_does_not_know_is_seen() -> None:
    with pytest.raises(Exception, match="help"):
        types.TemplateMetadata.from_json(
            json.dumps({"name": "x", "parameters": [{"name": "a", "help": "b"}]}),
            ignore_unknown_fields=False,
        )


def test_every_option_with_a_value_is_a_parameter_and_no_other() -> None:
    # The database of the command is its output. Its graph of shots goes on with
    # results, so no template runs it.
    ours = ScannerOptions([]).get_all_options(current_only=True).keys()
    shots = {"detector", "threshold", "floor", "min_length"}
    command = valued(run_parser("run")) - shots
    assert set(PARAMETERS) == command | (ours - {"scanner_db"})


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_has_all_that_people_are_shown(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["label"]
    assert len(parameter["label"]) < 40
    assert parameter["helpText"].endswith(".")
    assert parameter["regexes"]
    required = name in ("input", "output")
    assert parameter.get("isOptional", False) is not required
    for regex in parameter["regexes"]:
        assert regex.startswith("^")
        assert regex.endswith("$")
        # RE2 has neither.
        assert "(?" not in regex
        assert not re.search(r"\\[1-9]", regex)
    default = parameter.get("defaultValue")
    if default is not None:
        assert accepts(name, default)
        assert run_parser("run").get_default(name) == default


def test_choices_are_those_of_the_command() -> None:
    (action,) = (a for a in run_parser("run")._actions if a.dest == "cache_mode")
    listed = [option["value"] for option in PARAMETERS["cache_mode"]["enumOptions"]]
    assert listed == list(action.choices)


def test_every_parameter_has_examples() -> None:
    assert EXAMPLES.keys() == PARAMETERS.keys()


@pytest.mark.parametrize(("name", "text"), cases(0))
def test_what_is_right_is_taken_by_both(name: str, text: str) -> None:
    assert accepts(name, text)
    taken = take(name, text)
    assert str(taken[0] if isinstance(taken, list) else taken) == text


@pytest.mark.parametrize(("name", "text"), cases(1))
def test_what_is_wrong_is_refused_at_the_door(name: str, text: str) -> None:
    assert not accepts(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ops", "Histogram"),
        ("name", "{outputs}"),
        ("cache_mode", "Error"),
        ("work_packet_size", "0"),
        ("io_packet_size", "1e3"),
        ("accelerator", "nvidia-l4"),
        ("min_ram", "much"),
    ],
)
def test_and_by_the_command(name: str, text: str) -> None:
    with pytest.raises(ArgumentError):
        take(name, text)


def test_the_spec_is_one_that_the_service_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "spec.json"
    args = ["--launcher", "repo/launcher:1", "--worker", "repo/worker:1"]
    argv = ["make_spec.py", *args, "--output", str(output)]
    monkeypatch.setattr(sys, "argv", argv)
    runpy.run_path(str(FOLDER / "make_spec.py"), run_name="__main__")
    read = types.ContainerSpec.from_json(output.read_text())
    assert read.image == "repo/launcher:1"
    assert read.sdk_info.language == types.SDKInfo.Language.PYTHON
    assert read.default_environment.sdk_container_image == "repo/worker:1"
    assert [p.name for p in read.metadata.parameters] == list(PARAMETERS)
