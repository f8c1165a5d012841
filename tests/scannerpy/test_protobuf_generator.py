"""Scanner's documentation calls ``protobufs`` so."""

from __future__ import annotations

from beam_scanner.scannerpy import protobuf_generator, protobufs


def test_it_has_what_protobufs_has() -> None:
    assert protobuf_generator.protobufs is protobufs.protobufs
    made = protobuf_generator.python_to_proto("Point", {"x": 0.5})
    assert protobufs.Point.FromString(made).x == 0.5
    assert list(protobuf_generator.analyze_proto(protobufs.Point)) == [
        "x",
        "y",
        "score",
    ]
    assert protobuf_generator.ProtobufGenerator().Point is protobufs.Point
