"""Processes of runners on this machine: fetched, started, waited for and ended.

``scripts/runners.py`` is the command for people; tests use the classes.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "runners"
PRISM = CACHE / "prism"
FLINK = CACHE / "flink"
JOB_SERVER_JAR = FLINK / "job-server.jar"
SQL = CACHE / "sql"
POM = Path(__file__).parent / "flink" / "pom.xml"
SQL_POM = Path(__file__).parent / "sql" / "pom.xml"
SQL_REGISTRAR = Path(__file__).parent / "sql" / "beam_scanner" / "SqlRegistrar.java"

PRISM_PACKAGE = "github.com/apache/beam/sdks/v2/go/cmd/prism"
JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"

EXPANSION_SERVICE = "org.apache.beam.sdk.expansion.service.ExpansionService"

POOL = "beam_scanner.runners.worker_pool"

START_SECONDS = 240.0
_LOOK_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


class RunnerMissing(Exception):
    """A runner is not there, or cannot be started; says why."""


def missing(name: str) -> str | None:
    """Why a runner ('prism', 'flink' or 'sql') is not there; None if it is."""
    if name != "prism" and shutil.which("java") is None:
        return "there is no java on the path"
    there = {
        "prism": lambda: _stamped(PRISM, _beam_version()),
        "flink": lambda: _stamped(FLINK, _digest(POM)),
        "sql": lambda: _stamped(SQL, _digest(SQL_POM, SQL_REGISTRAR)),
    }
    return None if there[name]() else _unfetched(name)


def _unfetched(name: str) -> str:
    return f"{name} is not fetched: python scripts/runners.py fetch {name}"


def fetch(name: str) -> None:
    """Fetches a runner ('prism', 'flink' or 'sql') into the cache, unless it is there.

    Raises:
        RunnerMissing: Go, Maven or Java are missing, or they failed.
    """
    if missing(name) is None:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    {"prism": _fetch_prism, "flink": _fetch_flink, "sql": _fetch_sql}[name]()


def _fetch_prism() -> None:
    scratch = CACHE / f"prism.{os.getpid()}"
    version = _beam_version()
    try:
        _call(
            ["go", "install", f"{PRISM_PACKAGE}@v{version}"],
            {"GOBIN": str(scratch), "CGO_ENABLED": "0"},
        )
        os.replace(scratch / "prism", PRISM)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _stamp(PRISM).write_text(version)


def _fetch_flink() -> None:
    with _jars(POM, FLINK):
        pass
    _write_job_server_jar()
    _stamp(FLINK).write_text(_digest(POM))


def _fetch_sql() -> None:
    """The expansion service of ``SqlTransform``.

    The jar that has it all is not in every copy of Maven's repository. Its parts are,
    but for the class that makes them known to a service by Beam's name.
    """
    with _jars(SQL_POM, SQL) as scratch:
        classes, jars = scratch / "classes", f"{scratch / 'lib'}/*"
        _call(["javac", "-cp", jars, "-d", str(classes), str(SQL_REGISTRAR)])
        known = classes / "META-INF" / "services"
        known.mkdir(parents=True)
        interface = "org.apache.beam.sdk.expansion.ExternalTransformRegistrar"
        (known / interface).write_text("beam_scanner.SqlRegistrar\n")
    _stamp(SQL).write_text(_digest(SQL_POM, SQL_REGISTRAR))


@contextmanager
def _jars(pom: Path, folder: Path) -> Iterator[Path]:
    """The jars of a pom in ``lib/`` of a scratch folder, which then becomes another."""
    if shutil.which("java") is None:
        raise RunnerMissing("there is no java on the path")
    scratch = CACHE / f"{folder.name}.{os.getpid()}"
    jars = f"-DoutputDirectory={scratch / 'lib'}"
    try:
        _call(["mvn", "-q", "-B", "-f", str(pom), _COPY, jars])
        yield scratch
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def _write_job_server_jar() -> None:
    """A jar that names the others, for ``--flink_job_server_jar``."""
    jars = " ".join(f"lib/{jar.name}" for jar in sorted((FLINK / "lib").glob("*.jar")))
    lines = ["Manifest-Version: 1.0", f"Main-Class: {JOB_SERVER}"]
    # A line of a manifest has 72 bytes; a space continues the one before.
    text = f"Class-Path: {jars}"
    lines += [text[:70], *(f" {text[i : i + 69]}" for i in range(70, len(text), 69))]
    with zipfile.ZipFile(JOB_SERVER_JAR, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "\r\n".join([*lines, ""]))


def _call(command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    if shutil.which(command[0]) is None:
        raise RunnerMissing(f"there is no {command[0]} on the path")
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise RunnerMissing(f"{' '.join(command)} failed:\n{said}")


def _beam_version() -> str:
    from apache_beam.version import __version__

    return str(__version__)


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _stamp(path: Path) -> Path:
    return path.with_name(f"{path.name}.stamp")


def _stamped(path: Path, text: str) -> bool:
    stamp = _stamp(path)
    return path.exists() and stamp.exists() and stamp.read_text() == text


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens at, nor uses."""
    found: list[int] = []
    # Above these, systems take ports for connections to others.
    candidates = iter(random.sample(range(20_000, 32_000), 1000))
    while len(found) < count:
        port = next(candidates)
        with suppress(OSError), socket.socket() as one:
            one.bind(("", port))
            found.append(port)
    return found


def listening(port: int) -> bool:
    """Whether anybody listens at a port of this machine."""
    with suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
        return True
    return False


class Services:
    """Processes that belong together; ended together, with all that they started.

    Args:
        folder: For their logs and configuration, and for what they write.
        leave_with_us: Whether they end when this process does, be it killed.

    Attributes:
        processes: By name.
    """

    ports: Mapping[str, int] = {}

    def __init__(self, folder: Path, leave_with_us: bool = True) -> None:
        self.folder = folder
        self.leave_with_us = leave_with_us
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Starts all and waits until they can be used.

        Raises:
            RunnerMissing: One could not be started.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        taken = [f"{n} ({p})" for n, p in self.ports.items() if listening(p)]
        if taken:
            raise RunnerMissing(f"somebody listens already: {', '.join(taken)}")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        raise RunnerMissing("nothing to start")

    def stop(self) -> None:
        """Ends all."""
        for process in self.processes.values():
            end_group(process.pid)
        for process in self.processes.values():
            process.wait()
        self.processes.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def kill(self, name: str) -> None:
        """Ends one process at once."""
        process = self.processes.pop(name)
        end_group(process.pid)
        process.wait()

    def log(self, name: str) -> Path:
        """What a process has printed."""
        return self.folder / f"{name}.log"

    def _spawn(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> None:
        parent = os.getpid()

        def follow() -> None:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with open(self.log(name), "wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                # A group of its own, so that what it starts ends with it.
                start_new_session=True,
                preexec_fn=follow if self.leave_with_us else None,
            )

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not ready():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    said = self.log(name).read_text(errors="replace")[-2000:]
                    raise RunnerMissing(f"{name} has ended:\n{said}")
            if time.monotonic() > until:
                raise RunnerMissing(
                    f"{what} is not up after {START_SECONDS:.0f} s; see {self.folder}"
                )
            time.sleep(_LOOK_SECONDS)


def end_group(leader: int) -> None:
    """Kills a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _java(
    main: str, *arguments: str, jars: Sequence[str] = (f"{FLINK / 'lib'}/*",)
) -> list[str]:
    return [
        "java",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        # Flink's serializers read fields of lists, in streaming jobs.
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-cp",
        os.pathsep.join(jars),
        main,
        *arguments,
    ]


def _job_server(job: int, artifact: int, master: str, folder: Path) -> list[str]:
    return _java(
        JOB_SERVER,
        f"--job-port={job}",
        f"--artifact-port={artifact}",
        "--expansion-port=0",
        "--job-host=localhost",
        f"--artifacts-dir={folder / 'artifacts'}",
        f"--flink-master={master}",
    )


class FlinkEmbedded(Services):
    """A job server that runs each job in a Flink of its own, in the same process.

    The Python workers are threads of the program that sends a job.

    Args:
        folder: See ``Services``.
        ports: Of the job server and of its artifact service; free ones if None.
        leave_with_us: See ``Services``.
    """

    def __init__(
        self,
        folder: Path,
        ports: tuple[int, int] | None = None,
        leave_with_us: bool = True,
    ) -> None:
        super().__init__(folder, leave_with_us)
        job, artifact = ports or free_ports(2)
        self.ports = {"the job server": job, "its artifact service": artifact}
        self._job, self._artifact = job, artifact

    def _start(self) -> None:
        command = _job_server(self._job, self._artifact, "[local]", self.folder)
        self._spawn("job-server", command)
        self._wait("the job server", lambda: listening(self._job))

    def flags(self, parallelism: int = 2) -> list[str]:
        """Beam's flags for it."""
        return [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{self._job}",
            f"--artifact_endpoint=localhost:{self._artifact}",
            "--environment_type=LOOPBACK",
            f"--parallelism={parallelism}",
        ]


class SqlExpansion(Services):
    """An expansion service that expands ``SqlTransform``, and the worker that runs it.

    Serves one pipeline: its worker keeps to the first that it has met. Beam, too,
    starts one for each pipeline.

    Args:
        folder: See ``Services``.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self._port,) = free_ports(1)
        self.ports = {"the expansion service": self._port}

    def _start(self) -> None:
        jars = (str(SQL / "classes"), f"{SQL / 'lib'}/*")
        service = (EXPANSION_SERVICE, str(self._port), "--alsoStartLoopbackWorker")
        self._spawn("expansion-service", _java(*service, jars=jars))
        self._wait("the expansion service", lambda: listening(self._port))

    @property
    def address(self) -> str:
        """For ``SqlTransform(expansion_service=...)``."""
        return f"localhost:{self._port}"


def _python_path() -> str:
    """This checkout first, whatever the interpreter has."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


_MEMORY = {
    "taskmanager.cpu.cores": "1",
    "taskmanager.memory.task.heap.size": "200m",
    "taskmanager.memory.task.off-heap.size": "0",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
    "taskmanager.memory.network.min": "128m",
    "taskmanager.memory.network.max": "128m",
    "taskmanager.memory.managed.size": "128m",
}
"""Each must be given where no script of Flink's works them out."""


class FlinkCluster(Services):
    """A JobManager, TaskManagers, a pool of Python workers and a job server.

    Each TaskManager has one Python process from the pool.

    Args:
        folder: See ``Services``.
        ports: Of the job server, its artifact service, the JobManager's REST and
            RPC, and the worker pool; free ones if None.
        task_managers: How many.
        slots: Of each.
        leave_with_us: See ``Services``.
    """

    def __init__(
        self,
        folder: Path,
        ports: tuple[int, int, int, int, int] | None = None,
        task_managers: int = 2,
        slots: int = 2,
        leave_with_us: bool = True,
    ) -> None:
        super().__init__(folder, leave_with_us)
        job, artifact, rest, rpc, pool = ports or free_ports(5)
        self.ports = {
            "the job server": job,
            "its artifact service": artifact,
            "Flink's REST": rest,
            "Flink's RPC": rpc,
            "the worker pool": pool,
        }
        self._job, self._artifact, self._rest = job, artifact, rest
        self._rpc, self._pool = rpc, pool
        self.task_managers = task_managers
        self.slots = slots

    def _start(self) -> None:
        conf = f"--configDir={self._write_conf('jobmanager')}"
        self._spawn("jobmanager", _java(JOB_MANAGER, conf))
        pool = [sys.executable, "-m", POOL, f"--port={self._pool}"]
        self._spawn("worker-pool", pool, {"PYTHONPATH": _python_path()})
        master = f"localhost:{self._rest}"
        command = _job_server(self._job, self._artifact, master, self.folder)
        self._spawn("job-server", command)
        for number in range(self.task_managers):
            self.start_task_manager(number)
        self._wait("the cluster", self._is_up)

    def start_task_manager(self, number: int) -> None:
        """Starts a TaskManager, or one in place of another that has ended."""
        name = f"taskmanager-{number}"
        memory = [f"-D{key}={value}" for key, value in _MEMORY.items()]
        conf = f"--configDir={self._write_conf(name)}"
        self._spawn(name, _java(TASK_MANAGER, conf, *memory))

    def start_beams_pool(self, env: Mapping[str, str]) -> str:
        """Starts a pool of Beam's own, for workers unlike ours; gives its address.

        Args:
            env: Environment variables for it.
        """
        (port,) = free_ports(1)
        module = "apache_beam.runners.worker.worker_pool_main"
        # It starts whatever is called "python".
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        command = [sys.executable, "-m", module, f"--service_port={port}"]
        self._spawn(f"pool-{port}", command, {"PATH": path, **env})
        self._wait("the worker pool", lambda: listening(port))
        return f"localhost:{port}"

    def mend(self) -> None:
        """Starts TaskManagers anew that have ended, as clusters in production do.

        Flink ends one that cannot cancel a task.
        """
        for number in range(self.task_managers):
            process = self.processes.get(f"taskmanager-{number}")
            if process is None or process.poll() is not None:
                self.start_task_manager(number)
        self._wait("the cluster", self._is_up)

    def _is_up(self) -> bool:
        if not (listening(self._pool) and listening(self._job)):
            return False
        with suppress(OSError, ValueError):
            slots = self.overview()["slots-total"]
            return bool(slots == self.task_managers * self.slots)
        return False

    def overview(self) -> dict[str, Any]:
        """What Flink says of itself: slots, jobs."""
        url = f"http://localhost:{self._rest}/overview"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _write_conf(self, name: str) -> Path:
        folder = self.folder / f"conf-{name}"
        for each in (folder, self.folder / "tmp"):
            each.mkdir(exist_ok=True)
        settings = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": self._rpc,
            "jobmanager.memory.process.size": "1024m",
            "taskmanager.numberOfTaskSlots": self.slots,
            "taskmanager.host": "localhost",
            "taskmanager.resource-id": name,
            "io.tmp.dirs": self.folder / "tmp",
            "rest.port": self._rest,
            "rest.address": "localhost",
            "rest.bind-address": "localhost",
            # The jars are here already; loading their classes anew for each job takes
            # seconds, and ends the Python workers after each stage.
            "classloader.resolve-order": "parent-first",
            # One job on all machines, not on one of them.
            "cluster.evenly-spread-out-slots": "true",
            "heartbeat.interval": 1000,
            "heartbeat.timeout": 8000,
            # Of a task that hangs; then its TaskManager ends.
            "task.cancellation.timeout": 30_000,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 3,
            "restart-strategy.fixed-delay.delay": "1s",
        }
        lines = [f"{key}: {value}\n" for key, value in settings.items()]
        (folder / "flink-conf.yaml").write_text("".join(lines))
        return folder

    def flags(self, parallelism: int = 2) -> list[str]:
        """Beam's flags for it."""
        return [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{self._job}",
            f"--artifact_endpoint=localhost:{self._artifact}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{self._pool}",
            # Starting a worker for each stage would take longer than most stages. Less
            # than the restart delay above, lest a job be given its dead worker again.
            "--environment_cache_millis=500",
            f"--parallelism={parallelism}",
        ]
