"""Fetches runners to this machine, starts and stops them, and says how to use them.

    python scripts/runners.py fetch                    Prism, Flink and SQL, into .cache/
    python scripts/runners.py start flink-cluster      returns when it can be used
    python scripts/runners.py flags flink-cluster      Beam's flags for it
    python scripts/runners.py status
    python scripts/runners.py stop                     all that was started

Prism is compiled by Go; the jars of Flink and of Beam's SQL come by Maven, and need a
JDK of Java 11 or later.
Nothing is installed outside ``.cache/runners``, but for the caches of Go and Maven.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import runner_services as services
from runner_services import CACHE, FlinkCluster, FlinkEmbedded, RunnerMissing

FETCHED = ("prism", "flink", "sql")
STARTED = ("flink-embedded", "flink-cluster")
ALL = ("prism", "flink-jar", *STARTED)
_PORTS = {
    "flink-embedded": (8099, 8098),
    "flink-cluster": (8099, 8098, 8081, 6123, 8097),
}


def _service(name: str) -> FlinkEmbedded | FlinkCluster:
    folder = CACHE / "run" / name
    if name == "flink-embedded":
        return FlinkEmbedded(folder, _PORTS[name], leave_with_us=False)
    return FlinkCluster(folder, _PORTS[name], leave_with_us=False)


def _state(name: str) -> Path:
    return CACHE / "run" / name / "processes.json"


def _fetch(names: Sequence[str]) -> None:
    failed = []
    for name in names or FETCHED:
        try:
            services.fetch(name)
            print(f"{name} is in {_near(CACHE / name)}")
        except RunnerMissing as error:
            failed.append(f"{name}: {error}")
    if failed:
        raise RunnerMissing("; ".join(failed))


def _start(name: str) -> None:
    if _alive(name):
        raise RunnerMissing(f"{name} runs already; stop it first")
    services.fetch("flink")
    service = _service(name)
    service.start()
    found = {n: [p.pid, _born(p.pid)] for n, p in service.processes.items()}
    _state(name).write_text(json.dumps(found))
    print(" ".join(service.flags()))


def _flags(name: str, parallelism: int) -> None:
    print(" ".join(_flag_list(name, parallelism)))


def _flag_list(name: str, parallelism: int) -> list[str]:
    if name == "prism":
        return ["--runner=PrismRunner", f"--prism_location={_near(services.PRISM)}"]
    if name == "flink-jar":
        return [
            "--runner=FlinkRunner",
            f"--flink_job_server_jar={_near(services.JOB_SERVER_JAR)}",
            f"--parallelism={parallelism}",
        ]
    return _service(name).flags(parallelism)


def _status() -> None:
    for name in FETCHED:
        print(f"{name}: {services.missing(name) or 'fetched'}")
    for name in STARTED:
        alive = _alive(name)
        print(f"{name}: {', '.join(alive) if alive else 'not started'}")


def _stop(names: Sequence[str]) -> None:
    for name in names or STARTED:
        for process, pid in _alive(name).items():
            services.end_group(pid)
            print(f"stopped {process} of {name}")
        _state(name).unlink(missing_ok=True)


def _alive(name: str) -> dict[str, int]:
    """Processes of a service that have not ended."""
    try:
        found = json.loads(_state(name).read_text())
    except (OSError, ValueError):
        return {}
    # Another process may have the number by now.
    return {n: pid for n, (pid, born) in found.items() if _born(pid) == born}


def _born(pid: int) -> str:
    """When a process began, in the system's ticks; '' if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _near(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="fetch what is not there yet")
    fetch.add_argument("names", nargs="*", choices=[*FETCHED, []])
    start = commands.add_parser("start", help="start a runner in the background")
    start.add_argument("name", choices=STARTED)
    stop = commands.add_parser("stop", help="stop what was started")
    stop.add_argument("names", nargs="*", choices=[*STARTED, []])
    flags = commands.add_parser("flags", help="print Beam's flags for a runner")
    flags.add_argument("name", choices=ALL)
    flags.add_argument("--parallelism", type=int, default=2)
    commands.add_parser("status", help="say what is there and what runs")
    args = parser.parse_args()
    try:
        if args.command == "fetch":
            _fetch(args.names)
        elif args.command == "start":
            _start(args.name)
        elif args.command == "stop":
            _stop(args.names)
        elif args.command == "flags":
            _flags(args.name, args.parallelism)
        else:
            _status()
    except RunnerMissing as error:
        print(f"runners: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
