"""What an embedded Flink needs."""

from __future__ import annotations

from pathlib import Path

from tests.support.refused_runs import check, refused


def test_a_job_server_of_ones_own_needs_java_and_a_jar(
    tmp_path: Path, nobody: str
) -> None:
    name = "--runner=FlinkRunner"
    jar = tmp_path / "server.jar"
    jar.touch()
    java = tmp_path / "java"
    java.touch(0o755)
    launcher = f"--job_server_java_launcher={java}"
    refused("--flink_job_server_jar is missing", name, launcher)
    refused("no such file", name, launcher, "--flink_job_server_jar=/no.jar")
    with_jar = f"--flink_job_server_jar={jar}"
    refused("needs Java", name, with_jar, "--job_server_java_launcher=no-java")
    check(name, launcher, with_jar)
    refused("--flink_master=", name, with_jar, f"--flink_master={nobody}")
    refused("expected one of", name, with_jar, launcher, "--environment_type=VM")
