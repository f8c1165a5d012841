"""Dataflow: typed options, and checks that ask no service.

A job needs workers that have this package and PyAV (an image of your own, see
``templates/``), and a database that they can reach (``gs://``). GPUs or more memory
for the run stage are requested with resource hints on that stage alone::

    options = dataflow.options(
        project='my-project', region='us-central1', temp_location='gs://bucket/tmp',
        sdk_container_image='us-docker.pkg.dev/my-project/video/worker:1',
        gpu='nvidia-l4', gpu_machine_type='g2-standard-8', min_ram='16GB',
    )
    sc = Client(db_path='gs://bucket/db', options=options)
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    WorkerOptions,
)

from beam_scanner.beam_internals.applied_steps import parse_hints
from beam_scanner.beam_internals.root_logger import keeps_root_logger
from beam_scanner.errors import ArgumentError, MissingDependencyError
from beam_scanner.runners.runner_names import (
    is_of_this_machine,
    options_for,
    runner_name,
    sends_packages,
)
from beam_scanner.text.pip_install import pip_install

OUT_OF_REACH = "is out of reach of Dataflow's workers: expected gs://BUCKET/..."
"""Of paths of this machine."""

_DRIVER = "install-nvidia-driver"
_PROJECT = re.compile(r"([a-z][-a-z0-9.]*[a-z0-9]:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_GCS = re.compile(r"gs://[a-z0-9][-_.a-z0-9]+[a-z0-9]/.*")
_GPU = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_MACHINES = {
    "nvidia-tesla-t4": "n1-",
    "nvidia-tesla-p4": "n1-",
    "nvidia-tesla-p100": "n1-",
    "nvidia-tesla-v100": "n1-",
    "nvidia-l4": "g2-",
    "nvidia-tesla-a100": "a2-",
    "nvidia-a100-80gb": "a2-",
    "nvidia-h100-80gb": "a3-",
}
"""Machine families that offer a GPU; types that are not listed are not checked."""


def is_dataflow(options: PipelineOptions) -> bool:
    """Whether the options name Dataflow, by any of Beam's names for it.

    Examples:
        >>> is_dataflow(PipelineOptions(['--runner=DataflowRunner']))
        True
        >>> is_dataflow(PipelineOptions(['--runner=PrismRunner']))
        False
    """
    return runner_name(options) in ("dataflow", "testdataflow")


@keeps_root_logger
def options(
    *,
    project: str,
    region: str,
    temp_location: str,
    staging_location: str | None = None,
    job_name: str | None = None,
    sdk_container_image: str | None = None,
    machine_type: str | None = None,
    disk_size_gb: int | None = None,
    num_workers: int | None = None,
    max_num_workers: int | None = None,
    autoscaling_algorithm: str | None = None,
    gpu: str | None = None,
    gpus: int = 1,
    gpu_machine_type: str | None = None,
    min_ram: str | None = None,
    scanner_db: str | None = None,
    service_account_email: str | None = None,
    subnetwork: str | None = None,
    more: Iterable[str] = (),
) -> PipelineOptions:
    """Options for a job on Dataflow, checked.

    Args:
        project: Google Cloud project that runs the job.
        region: Its region, as ``us-central1``.
        temp_location: ``gs://`` folder for temporary files.
        staging_location: ``gs://`` folder for files that workers download;
            ``temp_location`` if None.
        job_name: Name of the job; Beam generates one if None.
        sdk_container_image: Image of the workers, with this package in it.
        machine_type: Machine type of the workers; a run stage with a GPU has its own.
        disk_size_gb: Disk of each worker, in gigabytes.
        num_workers: Workers at the start.
        max_num_workers: Workers at most.
        autoscaling_algorithm: ``'THROUGHPUT_BASED'``, ``'NONE'``, or the service's
            choice.
        gpu: Type of the GPUs of the run stage, as ``nvidia-l4``; None for none.
        gpus: How many of them each of its workers has.
        gpu_machine_type: Machine type of these workers, as ``g2-standard-8``.
        min_ram: Memory of the run stage's workers, as ``16GB``.
        scanner_db: See ``ScannerOptions``.
        service_account_email: Service account of the workers.
        subnetwork: Network of the workers, as ``regions/REGION/subnetworks/NAME``.
        more: More of Beam's flags, as ``--no_use_public_ips``.

    Raises:
        ArgumentError: See ``check``; or Beam does not know a flag's value.
        MissingDependencyError: See ``check``.

    Examples:
        >>> made = options(
        ...     project='my-project', region='us-central1',
        ...     temp_location='gs://bucket/tmp', sdk_container_image='repo/image:1',
        ...     gpu='nvidia-l4', gpu_machine_type='g2-standard-8', max_num_workers=8,
        ... )
        >>> run_hints(made)['accelerator']
        'type:nvidia-l4;count:1;machine_type:g2-standard-8;install-nvidia-driver'
        >>> made.view_as(WorkerOptions).max_num_workers
        8
    """
    given = locals()
    # Parameters have the names of Beam's flags, but for these.
    ours = ("gpu", "gpus", "gpu_machine_type", "more")
    values = {name: value for name, value in given.items() if name not in ours}
    values["accelerator"] = _accelerator(gpu, gpus, gpu_machine_type)
    made = options_for("DataflowRunner", values, more)
    check(made)
    return made


def _accelerator(gpu: str | None, count: int, machine: str | None) -> str | None:
    if gpu is None:
        if machine is not None:
            raise ArgumentError(f"gpu_machine_type={machine!r} is given, but no gpu")
        return None
    parts = [f"type:{gpu}", f"count:{count}"]
    parts += [f"machine_type:{machine}"] if machine is not None else []
    return ";".join([*parts, _DRIVER])


def run_hints(options: PipelineOptions) -> dict[str, str]:
    """Resource hints for the run stage, from ``--accelerator`` and ``--min_ram``.

    Only Dataflow gets them. Other runners ignore hints, and would start more worker
    processes all the same, since each set of hints is another environment.

    Raises:
        ArgumentError: Beam or Dataflow could not read a value.

    Examples:
        >>> from beam_scanner.run.options import ScannerOptions
        >>> run_hints(ScannerOptions(['--runner=DataflowRunner', '--min_ram=16GB']))
        {'min_ram': '16GB'}
        >>> run_hints(ScannerOptions(['--runner=FlinkRunner', '--min_ram=16GB']))
        {}
    """
    if not is_dataflow(options):
        return {}
    hints = {}
    values = options.get_all_options()
    for name in ("accelerator", "min_ram"):
        value = values.get(name)
        if value is not None:
            hints[name] = str(value)
    try:
        parse_hints(hints)
    except ValueError as error:
        raise ArgumentError(
            f"--min_ram={hints.get('min_ram')!r}: expected a size such as 16GB"
        ) from error
    if "accelerator" in hints:
        _check_accelerator(hints["accelerator"])
    return hints


def _check_accelerator(text: str) -> None:
    def wrong(expected: str) -> ArgumentError:
        return ArgumentError(
            f"--accelerator={text!r}: expected {expected}, as in "
            f"'type:nvidia-l4;count:1;{_DRIVER}'"
        )

    parts = dict(part.partition(":")[::2] for part in text.split(";"))
    kind, count = parts.get("type", ""), parts.get("count", "")
    if not _GPU.fullmatch(kind):
        raise wrong("the type of a GPU")
    if not count.isascii() or not count.isdigit() or int(count) < 1:
        raise wrong(f"a count above 0 (not {count!r})")
    unknown = sorted(set(parts) - {"type", "count", "machine_type", _DRIVER})
    if unknown:
        raise wrong(f"no {unknown[0]!r}")
    if _DRIVER not in parts:
        raise wrong(f"{_DRIVER}, without which workers have no driver")
    machine, family = parts.get("machine_type"), _MACHINES.get(kind)
    if machine and family and not machine.startswith(family):
        raise wrong(
            f"a {family}... machine, the only ones with {kind}, not {machine!r}"
        )


def check(options: PipelineOptions, urls: Iterable[str] = ()) -> None:
    """Refuses options that would fail minutes later, when machines have started.

    Asks no service.

    Args:
        options: Of the job.
        urls: What workers read or write: databases, videos and others.

    Raises:
        ArgumentError: Names the flag, its value and what was expected.
        MissingDependencyError: The packages that talk to Google Cloud are missing.

    Examples:
        >>> check(PipelineOptions(['--project=my-project']))
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: --region is missing: expected a region of \
Google Cloud, as us-central1
    """
    _check_installed()
    _check_places(options)
    _check_workers(options, run_hints(options))
    database = options.get_all_options().get("scanner_db")
    for url in [*([] if database is None else [database]), *urls]:
        if is_of_this_machine(url):
            raise ArgumentError(f"{url!r} {OUT_OF_REACH}")


def _check_installed() -> None:
    for package in ("google.cloud.storage", "google.cloud.dataflow_v1beta3"):
        try:
            found = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise MissingDependencyError(
                f"Dataflow needs {package}: {pip_install('gcp')}"
            )


def _check_places(options: PipelineOptions) -> None:
    cloud = options.view_as(GoogleCloudOptions)
    # Beam looks for a region elsewhere too, and in the end asks gcloud, slowly.
    region = cloud.region or os.environ.get("CLOUDSDK_COMPUTE_REGION")
    _check_form("project", cloud.project, _PROJECT, "the id of a Google Cloud project")
    _check_form("region", region, _REGION, "a region of Google Cloud, as us-central1")
    # Without them Beam would make a bucket.
    folder = "a folder gs://BUCKET/..."
    _check_form("temp_location", cloud.temp_location, _GCS, folder)
    if cloud.staging_location is not None:
        _check_form("staging_location", cloud.staging_location, _GCS, folder)


def _check_form(
    name: str, value: str | None, form: re.Pattern[str], expected: str
) -> None:
    if value is None:
        raise ArgumentError(f"--{name} is missing: expected {expected}")
    if not form.fullmatch(value):
        raise ArgumentError(f"--{name}={value!r}: expected {expected}")


def _check_workers(options: PipelineOptions, hints: dict[str, str]) -> None:
    image = options.view_as(WorkerOptions).sdk_container_image
    setup = options.view_as(SetupOptions)
    if "accelerator" in hints and image is None:
        raise ArgumentError(
            f"--accelerator={hints['accelerator']!r} without --sdk_container_image: "
            "expected an image with CUDA and this package (see templates/)"
        )
    if image is None and not sends_packages(options):
        raise ArgumentError(
            "--sdk_container_image is missing: workers have neither this package nor "
            "PyAV. Expected an image (see templates/), or what workers are to install, "
            "as --extra_package=dist/beam_scanner-0.1.0-py3-none-any.whl"
        )
    if setup.setup_file is not None and not os.path.dirname(setup.setup_file):
        # Beam changes to the folder's name, which would be ''.
        raise ArgumentError(
            f"--setup_file={setup.setup_file}: expected ./{setup.setup_file}"
        )
    cloud = options.view_as(GoogleCloudOptions)
    flags = ", ".join(f"--{name}" for name in hints)
    if hints and cloud.flexrs_goal is not None:
        raise ArgumentError(
            f"--flexrs_goal={cloud.flexrs_goal} and {flags}: Dataflow has no resource "
            "hints with flexible scheduling; expected one of the two"
        )
    services = [
        *(cloud.dataflow_service_options or ()),
        *(options.view_as(DebugOptions).experiments or ()),
    ]
    pool = next((o for o in services if o.startswith("worker_accelerator")), None)
    if hints and pool is not None:
        raise ArgumentError(
            f"--dataflow_service_options={pool} and {flags}: a hint gives the GPU to "
            "the run stage alone, the service option to all workers; expected one of "
            "the two"
        )
