"""Values of rows that have left a graph, in other people's transforms."""

from __future__ import annotations

import logging
import textwrap
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam import typehints
from apache_beam.internal import pickler
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from packaging.version import Version

from beam_scanner import protobufs, types
from beam_scanner.elements.coders import (
    Array,
    ElementCoder,
    Frame,
    FrameCoder,
    entering,
    leaving,
    type_of_hint,
    value_hint,
)
from beam_scanner.elements.keys import FrameKey
from beam_scanner.errors import ElementTypeError
from beam_scanner.types import (
    NULL,
    FrameType,
    NullElement,
    get_type_info,
    register_type,
)
from tests.support.programs import PROCESSES, python

IN_MEMORY = PipelineOptions(["--direct_running_mode=in_memory"])
BOX = protobufs.BoundingBox

ARRAYS = st_numpy.arrays(
    st_numpy.scalar_dtypes() | st.just(np.dtype([("x", "<i2"), ("y", ">f4", (2,))])),
    st_numpy.array_shapes(min_dims=0, min_side=0, max_side=5),
)

infers_types = pytest.mark.skipif(
    Version(beam.__version__) < Version("2.77"),
    reason="older versions of Beam infer fewer types",
)


@settings(max_examples=100)
@given(ARRAYS, st.sampled_from(["C", "F"]))
def test_arrays_come_back_exactly(array: Any, order: Any) -> None:
    given_ = np.asarray(array, order=order)
    coder = FrameCoder()
    back = coder.decode(coder.encode(given_))
    assert (back.dtype, back.shape) == (given_.dtype, given_.shape)
    assert back.tobytes() == given_.tobytes()
    assert back.flags.writeable
    assert abs(coder.estimate_size(given_) - len(coder.encode(given_))) <= 128


@pytest.mark.parametrize("value", [None, [1], "x", np.array([object()])])
def test_what_is_no_array_is_refused(value: Any) -> None:
    with pytest.raises(ElementTypeError, match="type FrameType expected"):
        FrameCoder().encode(value)


def test_sizes_are_estimated_without_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    coder = beam.coders.registry.get_coder(typehints.Tuple[FrameKey, Frame])
    element = FrameKey("a", 0, 0), np.zeros((10, 10, 3), np.uint8)

    def fail(*_: object) -> None:
        raise AssertionError("encoded to count bytes")

    monkeypatch.setattr(FrameCoder, "encode", fail)
    size, observables = coder.get_impl().get_estimated_size_and_observables(element)
    assert 300 <= size <= 500
    assert not observables


@register_type
class CodersCelsius:
    def serialize(value: float) -> bytes:  # type: ignore[misc]
        return str(value).encode()

    def deserialize(data: bytes) -> float:  # type: ignore[misc]
        return float(data)


@register_type
class CodersSpan:
    """A struct of one's own, with a field of every kind."""

    arrow_type = pa.struct(
        [
            pa.field("start", pa.int64(), nullable=False),
            pa.field("names", pa.list_(pa.string())),
            pa.field("size", pa.uint64()),
            pa.field("inner", pa.struct([pa.field("depth", pa.float32())])),
            pa.field("day", pa.date32()),
        ]
    )

    def serialize(value: dict[str, Any]) -> bytes:  # type: ignore[misc]
        return get_type_info(Any).serialize(value)

    def deserialize(data: bytes) -> dict[str, Any]:  # type: ignore[misc]
        found: dict[str, Any] = get_type_info(Any).deserialize(data)
        return found

    def to_arrow(value: dict[str, Any]) -> dict[str, Any]:  # type: ignore[misc]
        return value

    def from_arrow(stored: dict[str, Any]) -> dict[str, Any]:  # type: ignore[misc]
        return dict(stored)


CodersNet = types.ProtobufType("CodersNet", protobufs.NetDescriptor)
CodersPoints = types.VariableList(
    "CodersPoints", types.ProtobufType("CodersPoint", protobufs.Point)
)

BOXES = [BOX(x1=0.25, y2=0.5, label=3, track_score=1e-300), BOX()]
SPAN = {
    "start": 1,
    "names": ["a", "ü"],
    "size": 2**64 - 1,
    "inner": {"depth": 0.5},
    "day": None,
}
VALUES: list[tuple[Any, Any]] = [
    (FrameType, np.arange(24, dtype=np.uint16).reshape(2, 4, 3)),
    (bytes, b"\0x"),
    (Any, {"a": (1, None)}),
    (int, 7),
    (float, 0.5),
    (bool, True),
    (str, "ü"),
    (np.ndarray, np.eye(3)),
    (types.NumpyArrayFloat32, np.arange(3, dtype=np.float32)),
    (types.Image, np.arange(24, dtype=np.uint8).reshape(2, 4, 3)),
    (types.Histogram, [np.arange(16, dtype=np.int32)] * 3),
    (types.Bbox, BOXES[0]),
    (types.BboxList, BOXES),
    (types.BboxList, []),
    (CodersNet, protobufs.NetDescriptor(input_width=3, input_layer_names=["a", "b"])),
    (CodersPoints, [protobufs.Point(x=1, y=2, score=0.5)]),
    (CodersSpan, SPAN),
    (CodersCelsius, 21.5),
]


def stored(annotation: Any, value: Any) -> Any:
    info = get_type_info(annotation)
    return value if annotation is FrameType else info.serialize(value)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and bool(np.array_equal(a, b))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize(("annotation", "value"), VALUES)
def test_values_leave_cross_and_come_back(annotation: Any, value: Any) -> None:
    info = get_type_info(annotation)
    hint = value_hint(info)
    left = leaving(info)(stored(annotation, value))
    coder = pickler.loads(pickler.dumps(beam.coders.registry.get_coder(hint)))
    crossed = coder.decode(coder.encode(left))
    assert same(crossed, left)
    assert same(entering(info)(crossed), stored(annotation, value))
    assert same(entering(info)(value), stored(annotation, value))
    assert type_of_hint(hint) == (get_type_info(np.ndarray) if hint is Array else info)


@pytest.mark.parametrize(("annotation", "value"), VALUES)
def test_nulls_leave_as_none(annotation: Any, value: Any) -> None:
    info = get_type_info(annotation)
    assert leaving(info)(NullElement()) is None
    assert entering(info)(None) == NULL
    assert entering(info)(NULL) == NULL
    hint = value_hint(info, nullable=True)
    coder = beam.coders.registry.get_coder(hint)
    assert coder.decode(coder.encode(None)) is None
    left = leaving(info)(stored(annotation, value))
    assert same(coder.decode(coder.encode(left)), left)
    assert type_of_hint(hint) == type_of_hint(value_hint(info))


def test_unknown_elements_are_bytes() -> None:
    assert value_hint(None) is bytes
    assert leaving(None)(b"x") == b"x"


def test_rows_have_the_fields_of_the_type() -> None:
    box = value_hint(get_type_info(types.Bbox))
    assert dict(box._fields) == {
        **dict.fromkeys(("x1", "y1", "x2", "y2", "score"), np.float32),
        "track_id": np.int32,
        "track_score": float,
        "label": np.int32,
    }
    boxes = value_hint(get_type_info(types.BboxList))
    assert boxes == typehints.List[box]
    span = dict(value_hint(get_type_info(CodersSpan))._fields)
    assert span["start"] is int
    assert span["names"] == typehints.Optional[typehints.Sequence[str]]
    net = dict(value_hint(get_type_info(CodersNet))._fields)
    assert net["mean_colors"] == typehints.Sequence[np.float32]
    assert net["uses_python"] is bool


def test_a_hint_is_the_same_each_time() -> None:
    info = get_type_info(types.Bbox)
    one, two = value_hint(info), value_hint(info)
    assert one.user_type is two.user_type
    assert one.schema_id == two.schema_id


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (FrameType, [1], "type FrameType expected an H x W x C array, got list"),
        (types.BboxList, 3, "type BboxList expected a list of Bbox, got int 3"),
        (types.Bbox, beam.Row(x9=1), "type Bbox expected rows with its fields .*x9"),
        (types.Bbox, {"x1": "wide"}, "type Bbox expected rows with its fields"),
        (bytes, 7, "type Bytes expected bytes, got int 7"),
    ],
)
def test_values_of_other_types_are_refused(
    annotation: Any, value: Any, message: str
) -> None:
    with pytest.raises(ElementTypeError, match=message):
        entering(get_type_info(annotation))(value)


@pytest.mark.parametrize("rows", [beam.Row(x1=0.5, label=3), {"x1": 0.5, "label": 3}])
def test_rows_of_any_make_come_back(rows: Any) -> None:
    want = BOX(x1=0.5, label=3)
    assert entering(get_type_info(types.Bbox))(rows) == want.SerializeToString()
    info = get_type_info(types.BboxList)
    assert info.deserialize(entering(info)((rows, rows))) == [want, want]


@pytest.mark.parametrize(
    ("hint", "annotation"),
    [
        (np.ndarray, np.ndarray),
        (typehints.Optional[np.ndarray], np.ndarray),
        (FrameType, FrameType),
        (dict, Any),
        (typehints.Any, Any),
        (typehints.Optional[int], int),
        (str, str),
        (typehints.List[int], Any),
        (typehints.Union[int, str], Any),
    ],
)
def test_types_of_other_hints(hint: Any, annotation: Any) -> None:
    assert type_of_hint(hint) == get_type_info(annotation)


def test_a_box_out_of_a_list_is_no_list() -> None:
    box = value_hint(get_type_info(types.BboxList)).inner_type
    assert type_of_hint(box) == get_type_info(Any)


# In pipelines.


def boxes(pipeline: beam.Pipeline) -> Any:
    """Row r of stream 'a' has r boxes; row 3 is null."""
    info = get_type_info(types.BboxList)
    leave = leaving(info)
    elements = [
        (FrameKey("a", 0, row, row / 4), [BOX(x1=row / 8, label=i) for i in range(row)])
        for row in range(3)
    ]
    hint = typehints.Tuple[FrameKey, value_hint(info, nullable=True)]
    return (
        pipeline
        | beam.Create(
            [(key, leave(info.serialize(value))) for key, value in elements]
            + [(FrameKey("a", 0, 3, 0.75), None)]
        )
        | beam.Map(lambda kv: kv).with_output_types(hint)
        | "Cross a stage" >> beam.Reshuffle()
    )


def frames(pipeline: beam.Pipeline) -> Any:
    hint = typehints.Tuple[FrameKey, Frame]
    made = [(FrameKey("a", 0, r), np.full((4, 6, 3), r, np.uint8)) for r in range(3)]
    given_ = pipeline | beam.Create(made)
    return given_ | beam.Map(lambda kv: kv).with_output_types(hint)


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Any:
    def run_(build: Callable[[beam.Pipeline], None], *flags: str) -> None:
        options = PipelineOptions(["--direct_running_mode=in_memory", *flags])
        with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
            build(pipeline)
        messages = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
        assert [text for text in messages if "coder" in text.lower()] == []

    return run_


@infers_types
def test_filter_select_and_group(run: Any) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        found = boxes(pipeline) | beam.Filter(lambda kv: bool(kv[1]))
        assert type_of_hint(found.element_type.tuple_types[1]).name == "BboxList"
        rows = found | beam.Select(
            row=lambda kv: kv[0].row,
            seconds=lambda kv: kv[0].pts_seconds,
            labels=lambda kv: sum(box.label for box in kv[1]),
        )
        fields = dict(rows.element_type._fields)
        assert fields["row"] is int
        assert fields["seconds"] == typehints.Optional[float]
        assert_that(
            rows | beam.Map(tuple), equal_to([(1, 0.25, 0), (2, 0.5, 1)]), label="rows"
        )
        grouped = found | beam.GroupByKey()
        sizes = grouped | beam.MapTuple(
            lambda key, values: (key, [len(value) for value in values])
        )
        wanted = [(FrameKey("a", 0, r, r / 4), [r]) for r in (1, 2)]
        assert_that(sizes, equal_to(wanted), label="grouped")

    run(build)


def test_select_from_a_row(run: Any) -> None:
    info = get_type_info(types.Bbox)
    left = leaving(info)(info.serialize(BOXES[0]))

    def build(pipeline: beam.Pipeline) -> None:
        given_ = pipeline | beam.Create([left])
        typed = given_ | beam.Map(lambda box: box).with_output_types(value_hint(info))
        picked = typed | beam.Select("x1", "label", twice=lambda box: box.y2 * 2)
        assert dict(picked.element_type._fields)["x1"] is np.float32
        assert dict(picked.element_type._fields)["label"] is np.int32
        best = picked | beam.GroupBy("label").aggregate_field("x1", max, "best")
        assert_that(best | beam.Map(tuple), equal_to([(3, 0.25)]))

    run(build)


@infers_types
def test_rows_are_what_other_languages_read() -> None:
    """What SQL, which runs in Java, needs: a standard coder and plain fields."""
    hint = typehints.Tuple[FrameKey, value_hint(get_type_info(types.BboxList))]
    found = boxes(beam.Pipeline()) | beam.Filter(lambda kv: bool(kv[1]))
    rows = (
        found
        | beam.Map(lambda kv: kv).with_output_types(hint)
        | beam.Select(
            stream=lambda kv: kv[0].stream,
            seconds=lambda kv: kv[0].pts_seconds,
            best=lambda kv: kv[1][0],
        )
    )
    coder = beam.coders.registry.get_coder(rows.element_type)
    urn, schema, _ = coder.to_runner_api_parameter(None)
    assert urn == "beam:coder:row:v1"
    kinds = [field.type.WhichOneof("type_info") for field in schema.fields]
    assert kinds == ["atomic_type", "atomic_type", "row_type"]
    inner = schema.fields[2].type.row_type.schema.fields
    assert {field.type.WhichOneof("type_info") for field in inner} == {"atomic_type"}


def test_to_parquet(run: Any, tmp_path: Path) -> None:
    schema = pa.schema(
        [
            ("stream", pa.string()),
            ("row", pa.int64()),
            ("seconds", pa.float64()),
            ("boxes", get_type_info(types.BboxList).arrow_type),
        ]
    )

    def build(pipeline: beam.Pipeline) -> None:
        _ = (
            boxes(pipeline)
            | beam.MapTuple(
                lambda key, found: {
                    "stream": key.stream,
                    "row": key.row,
                    "seconds": key.pts_seconds,
                    "boxes": found and [box._asdict() for box in found],
                }
            )
            | beam.io.WriteToParquet(str(tmp_path / "boxes"), schema, num_shards=1)
        )

    run(build)
    (file,) = tmp_path.iterdir()
    rows = sorted(pq.read_table(file).to_pylist(), key=lambda row: row["row"])
    assert [row["seconds"] for row in rows] == [0.0, 0.25, 0.5, 0.75]
    assert [row["boxes"] and len(row["boxes"]) for row in rows] == [[], 1, 2, None]
    assert rows[2]["boxes"][1]["label"] == 1


@infers_types
def test_to_parquet_by_schema(run: Any, tmp_path: Path) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        counts = boxes(pipeline) | beam.Select(
            stream=lambda kv: kv[0].stream,
            row=lambda kv: kv[0].row,
            boxes=lambda kv: len(kv[1] or ()),
        )
        _ = counts | beam.io.WriteToParquet(str(tmp_path / "n"), num_shards=1)

    run(build)
    (file,) = tmp_path.iterdir()
    found = sorted(pq.read_table(file).to_pylist(), key=lambda row: row["row"])
    assert found == [
        {"stream": "a", "row": row, "boxes": count}
        for row, count in enumerate((0, 1, 2, 0))
    ]


class Brightness(ModelHandler):
    """A model that counts how many frames it is given at a time."""

    def load_model(self) -> Any:
        return lambda batch: np.stack(batch).mean(axis=(1, 2, 3))

    def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        return model(batch).tolist()


def test_run_inference(run: Any) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        handler = KeyedModelHandler(Brightness())
        found = frames(pipeline) | RunInference(handler)
        wanted = [(FrameKey("a", 0, row), float(row)) for row in range(3)]
        assert_that(found, equal_to(wanted))

    run(build)


def test_annotated_functions(run: Any) -> None:
    def mean(kv: tuple[FrameKey, np.ndarray]) -> float:
        return float(kv[1].mean())

    def vocabulary(kv: tuple[FrameKey, FrameType]) -> int:
        return kv[1].ndim

    def build(pipeline: beam.Pipeline) -> None:
        made = frames(pipeline)
        means = made | "means" >> beam.Map(mean)
        assert_that(means, equal_to([0.0, 1.0, 2.0]), label="means")
        dims = made | "dims" >> beam.Map(vocabulary)
        assert_that(dims, equal_to([3, 3, 3]), label="dims")

    run(build, "--runtime_type_check")
    mean.__annotations__["kv"] = typing.Tuple[FrameKey, str]  # noqa: UP006
    with pytest.raises(typehints.TypeCheckError, match="means"):
        run(build)


PROGRAM = """
    import sys
    from pathlib import Path
    from typing import Any
    import apache_beam as beam
    import numpy as np
    from apache_beam import typehints
    from apache_beam.options.pipeline_options import PipelineOptions
    from beam_scanner import protobufs, types
    from beam_scanner.elements.coders import Frame, leaving, value_hint
    from beam_scanner.elements.keys import FrameKey
    from beam_scanner.types import get_type_info


    class Span:
        def __init__(self, start, stop):
            self.start, self.stop = start, stop


    @types.register_type
    class Spans:
        def serialize(value):
            return b"%d %d" % (value.start, value.stop)

        def deserialize(data):
            return Span(*map(int, data.split()))


    def make(row, kind):
        box = protobufs.BoundingBox(x1=row / 8, label=row)
        boxes = get_type_info(types.BboxList)
        return FrameKey("a", 0, row), {
            "frame": np.full((4, 6, 3), row, np.uint8),
            "boxes": leaving(boxes)(boxes.serialize([box] * row)),
            "span": Span(row, row + 1),
        }[kind]


    def show(kv):
        key, value = kv
        if isinstance(value, np.ndarray):
            return f"{key.row} {value.shape} {value.mean()}"
        if isinstance(value, list):
            return f"{key.row} {[(box.x1, box.label) for box in value]}"
        return f"{key.row} {value.start} {value.stop}"


    if __name__ == "__main__":
        HINTS = {
            "frame": Frame,
            "boxes": value_hint(get_type_info(types.BboxList)),
            "span": value_hint(get_type_info(Spans)),
        }
        with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as pipeline:
            rows = pipeline | beam.Create(range(3))
            for KIND, hint in HINTS.items():
                hint = typehints.Tuple[FrameKey, typehints.Optional[hint]]
                _ = (
                    rows
                    | f"Make {KIND}" >> beam.Map(make, KIND).with_output_types(hint)
                    | f"Cross {KIND}" >> beam.Reshuffle()
                    | f"Show {KIND}" >> beam.Map(show)
                    | f"All {KIND}" >> beam.combiners.ToList()
                    | f"Sort {KIND}" >> beam.Map(lambda lines: "|".join(sorted(lines)))
                    | f"Write {KIND}" >> beam.Map(Path(KIND).write_text)
                )
"""
WANTED = {
    "frame": "0 (4, 6, 3) 0.0|1 (4, 6, 3) 1.0|2 (4, 6, 3) 2.0",
    "boxes": "0 []|1 [(0.125, 1)]|2 [(0.25, 2), (0.25, 2)]",
    "span": "0 0 1|1 1 2|2 2 3",
}


@pytest.mark.slow
@pytest.mark.processes
def test_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    python("program.py", *PROCESSES, cwd=tmp_path)
    assert {kind: (tmp_path / kind).read_text() for kind in WANTED} == WANTED


def test_coders_of_types_in_main_are_found() -> None:
    coder = ElementCoder.from_type_hint("CodersCelsius", None)
    assert coder == ElementCoder(get_type_info(CodersCelsius))
    assert pickler.loads(pickler.dumps(coder)).encode(1.5) == b"1.5"
