"""Scanner's master and workers, which are the runner's affair here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy.instead import refused

if TYPE_CHECKING:
    from beam_scanner.scannerpy.config import Config

CLUSTER = (
    "graphs run where the Beam options say: "
    "Client(options=['--runner=...', ...]); without options, on all local cores"
)
NO_CLUSTER = f"there is no master and there are no workers to name: {CLUSTER}"

Database = refused(
    "Database",
    "later releases of Scanner have Client in its place, and so has this one",
)


def start_master(
    port: int | str | None = None,
    config: Config | None = None,
    config_path: str | None = None,
    block: bool = False,
    watchdog: bool = True,
    no_workers_timeout: float = 30,
    new_job_retries_limit: int = 5,
) -> NoReturn:
    """Scanner's; Beam has no master.

    Raises:
        ArgumentError: Always; says what to use.
    """
    raise ArgumentError(NO_CLUSTER)


def start_worker(
    master_address: str,
    machine_params: Any = None,
    port: int | str | None = None,
    config: Config | None = None,
    config_path: str | None = None,
    block: bool = False,
    watchdog: bool = True,
    db: Any = None,
) -> NoReturn:
    """Scanner's; the runner starts the workers.

    Raises:
        ArgumentError: Always; says what to use.
    """
    raise ArgumentError(NO_CLUSTER)
