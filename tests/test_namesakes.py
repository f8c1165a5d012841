"""Each module of the package has a file of tests that is called like it."""

from __future__ import annotations

from pathlib import Path

from tests.support.folders import ROOT

PACKAGE = ROOT / "beam_scanner"

# Modules whose tests still lie in files of other names; none is to be added.
TESTED_ELSEWHERE = frozenset(
    [
        "apps/graph_function.py",
        "beam_internals/overlapping.py",
        "cli/args.py",
        "cli/run_command.py",
        "engine/displays.py",
        "engine/instance_pool.py",
        "graph/validate.py",
        "kernels/digests/code_nodes.py",
        "kernels/digests/data_parts.py",
        "kernels/digests/digest_node.py",
        "kernels/digests/object_reader.py",
        "kernels/digests/pickle_reduction.py",
        "kernels/digests/reading.py",
        "kernels/digests/reducing.py",
        "kernels/kernel.py",
        "kernels/op_help.py",
        "ops/images.py",
        "ops/shot_boundaries.py",
        "ops/shots.py",
        "planner/bound.py",
        "planner/forecast.py",
        "rows/whole_numbers.py",
        "run/attempts.py",
        "run/bind.py",
        "run/binding.py",
        "run/cache_mode.py",
        "run/channel.py",
        "run/complete.py",
        "run/context.py",
        "run/explain.py",
        "run/hosted.py",
        "run/job_files.py",
        "run/jobs.py",
        "run/picklable.py",
        "run/prepare.py",
        "run/program.py",
        "run/publish.py",
        "run/run.py",
        "run/run_files.py",
        "run/run_graph.py",
        "run/run_settings.py",
        "run/run_task.py",
        "run/shared_graph.py",
        "run/slots.py",
        "run/sources.py",
        "run/stages.py",
        "run/task_host.py",
        "run/task_id.py",
        "run/tasks/attempt.py",
        "run/tasks/attempt_marks.py",
        "run/tasks/channel.py",
        "run/tasks/steps.py",
        "run/tasks/supervisor.py",
        "run/tasks/task_id.py",
        "run/tasks/task_process.py",
        "runners/local/fork_client.py",
        "runners/local/fork_server.py",
        "runners/local/local_run.py",
        "runners/local/worker.py",
        "runners/threads.py",
        "runners/worker_pool.py",
        "scannerpy/client.py",
        "scannerpy/video_tables.py",
        "storage/segments/chained_reader.py",
        "storage/segments/frame_reader.py",
        "storage/segments/frame_writer.py",
        "storage/segments/index_cache.py",
        "storage/segments/parquet.py",
        "storage/segments/parquet_reader.py",
        "storage/segments/parquet_writer.py",
        "storage/segments/row_reader.py",
        "storage/segments/segment_reader.py",
        "storage/segments/stream_reader.py",
        "storage/segments/video_rows.py",
        "storage/segments/video_segment.py",
        "storage/segments/video_writer.py",
        "storage/stored_rows.py",
        "storage/streams/export.py",
        "storage/streams/video_ingest.py",
        "storage/testing.py",
        "stores/bucket.py",
        "stores/gcs.py",
        "stores/local_store.py",
        "stores/object_urls.py",
        "stores/open.py",
        "stores/paths.py",
        "stores/range_file.py",
        "stores/sampled_digest.py",
        "text/docstrings.py",
        "text/version.py",
        "transforms/graph_build.py",
        "transforms/graph_steps.py",
        "transforms/ops.py",
        "transforms/registered.py",
        "transforms/row_hints.py",
        "transforms/stream_transform.py",
        "types/image_files.py",
        "types/images.py",
        "types/type_info.py",
        "video/bitstream/av1.py",
        "video/bitstream/bits.py",
        "video/bitstream/codec.py",
        "video/bitstream/ffv1.py",
        "video/bitstream/h263.py",
        "video/bitstream/h264.py",
        "video/bitstream/h264_headers.py",
        "video/bitstream/hevc.py",
        "video/bitstream/intra.py",
        "video/bitstream/messages.py",
        "video/bitstream/mpeg.py",
        "video/bitstream/nal.py",
        "video/bitstream/registry.py",
        "video/bitstream/sei.py",
        "video/bitstream/setups.py",
        "video/bitstream/theora.py",
        "video/bitstream/vp8.py",
        "video/bitstream/vp9.py",
        "video/chroma.py",
        "video/cold_starts.py",
        "video/container.py",
        "video/cursor.py",
        "video/damage_policy.py",
        "video/decoder_setup.py",
        "video/decoder_traits.py",
        "video/decoding_run.py",
        "video/diagnosis.py",
        "video/entries.py",
        "video/index_assembly.py",
        "video/indexing.py",
        "video/linear.py",
        "video/mp4_boxes.py",
        "video/packet_scan.py",
        "video/salvage.py",
        "video/scan.py",
        "video/seeking.py",
        "video/sound.py",
        "video/truncation.py",
    ]
)


def namesake(module: Path) -> Path:
    """The file of tests of a module, as a path below ``tests/``."""
    return module.parent / f"test_{module.stem.lstrip('_')}.py"


def test_each_module_has_a_namesake() -> None:
    modules = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        # These only hand on what others define.
        if path.name not in ("__init__.py", "__main__.py")
    }
    assert len(modules) > 100
    without = {
        m.as_posix() for m in modules if not (ROOT / "tests" / namesake(m)).is_file()
    }
    assert sorted(without - TESTED_ELSEWHERE) == []
