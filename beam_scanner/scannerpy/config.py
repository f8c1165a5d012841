"""Where the database is: a TOML file, or nothing at all.

::

    [storage]
    type = "posix"
    db_path = "/data/scanner"

With ``type = "gcs"`` or ``"s3"`` the database lies in ``bucket``, below ``db_path``; for S3,
``region`` and ``endpoint`` are as in the environment variables ``AWS_DEFAULT_REGION`` and
``AWS_ENDPOINT_URL_S3``, which workers elsewhere must be given.

Without any file the database is ``~/.beam_scanner/db``. Nothing here asks
questions or writes files.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

from beam_scanner.errors import ArgumentError
from beam_scanner.stores.object_store import ObjectStore
from beam_scanner.stores.open import open_store
from beam_scanner.stores.s3 import use_service

_BUCKET = ("bucket", "region", "endpoint")
_SCHEMES = {"gcs": "gs", "s3": "s3"}


def mkdir_p(path: str | os.PathLike[str]) -> None:
    """Makes a folder, and those above it, unless it is there."""
    os.makedirs(path, exist_ok=True)


def read_line(s: Any = None) -> str:
    """A line of the standard input, without white space at its ends.

    Args:
        s: Not used.
    """
    return sys.stdin.readline().strip()


class Config:
    """The settings of a client.

    Args:
        config_path: A TOML file. None: ``~/.beam_scanner/config.toml`` if it is
            there, and the defaults if it is not.
        db_path: The database's folder or URL; goes before that of the file.

    Attributes:
        config: All settings, as ``default_config`` has them.
        config_path: The file.
        db_path: The database's folder, absolute, or its URL.
        master_address: Scanner's; Beam has no master.
        master_port: Scanner's; a string.
        worker_port: Scanner's; a string.

    Raises:
        ArgumentError: The file is missing or not TOML, or a value is missing or wrong;
            names the file and the key.

    Examples:
        >>> Config(db_path='/data/films').db_path
        '/data/films'
    """

    def __init__(
        self,
        config_path: str | os.PathLike[str] | None = None,
        db_path: str | os.PathLike[str] | None = None,
    ) -> None:
        given = config_path is not None
        path = self.default_config_path() if config_path is None else config_path
        self.config_path = os.path.abspath(os.path.expanduser(os.fspath(path)))
        if given or os.path.exists(self.config_path):
            self.config = _complete(_read(self.config_path), self.config_path, db_path)
        else:
            self.config = self.default_config()
        storage = self.config["storage"]
        if storage["type"] == "s3":
            place = {key: storage.get(key) for key in ("region", "endpoint")}
            use_service(f"storage in {self.config_path!r}", **place)
        if db_path is None:
            db_path = _place(storage, self.config_path)
        self.db_path = _absolute(db_path)
        network = self.config["network"]
        self.master_address: str = network["master"]
        self.master_port: str = network["master_port"]
        self.worker_port: str = network["worker_port"]
        open_store(self.db_path)

    def __repr__(self) -> str:
        return f"Config({self.config_path!r}, db_path={self.db_path!r})"

    @property
    def storage(self) -> ObjectStore:
        """The place where the database's files lie."""
        return open_store(self.db_path)

    def with_db_path(self, path: str | os.PathLike[str]) -> Self:
        """The same settings for another database.

        Args:
            path: Its folder or URL.

        Examples:
            >>> Config().with_db_path('/data/films').db_path
            '/data/films'
        """
        other = copy(self)
        other.db_path = _absolute(path)
        open_store(other.db_path)
        return other

    @staticmethod
    def default_config_path() -> str:
        """The file that is read if none is given, in the user's home folder."""
        return os.path.expanduser("~/.beam_scanner/config.toml")

    @staticmethod
    def default_config() -> dict[str, Any]:
        """What holds without a file.

        Examples:
            >>> Config.default_config()['storage']['type']
            'posix'
        """
        return {
            "storage": {
                "type": "posix",
                "db_path": os.path.expanduser("~/.beam_scanner/db"),
            },
            "network": {
                "master": "localhost",
                "master_port": "5001",
                "worker_port": "5002",
            },
        }


def _absolute(place: Any) -> str:
    if not isinstance(place, (str, os.PathLike)):
        raise ArgumentError(f"db_path must be a folder or URL, got {place!r}")
    path = str(os.fspath(place))
    # A worker's working folder is another one than the client's.
    if not path or "://" in path:
        return path
    try:
        return os.path.abspath(os.path.expanduser(path))
    except FileNotFoundError:
        raise ArgumentError(
            f"db_path {path!r} is relative to the working folder, which was removed"
        ) from None


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        raise ArgumentError(f"Scanner config file does not exist: {path!r}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(
            f"config file {path!r} is not valid TOML: {error}"
        ) from error
    except OSError as error:
        raise ArgumentError(
            f"config file {path!r} cannot be read: {error.strerror}"
        ) from error


def _complete(
    found: dict[str, Any], path: str, db_path: str | os.PathLike[str] | None
) -> dict[str, Any]:
    """The settings of a file, with defaults for what it may leave out."""
    whole = Config.default_config()
    storage = _section(found, "storage", path)
    if storage is None:
        raise _missing("storage", path)
    if "type" not in storage:
        raise _missing("storage.type", path)
    _check_type(storage["type"], path)
    if db_path is None and "db_path" not in storage:
        raise _missing("storage.db_path", path)
    for section, values in (
        ("storage", storage),
        ("network", _section(found, "network", path) or {}),
    ):
        known = {*whole[section], *_BUCKET} if section == "storage" else whole[section]
        for key in known & values.keys():
            values = {**values, key: _text(values[key], f"{section}.{key}", path)}
        whole[section] = {**whole[section], **values}
    return {**found, **whole}


def _section(
    found: Mapping[str, Any], section: str, path: str
) -> dict[str, Any] | None:
    values = found.get(section)
    if values is not None and not isinstance(values, dict):
        raise ArgumentError(
            f"config file {path!r}: expected a section [{section}], got {values!r}"
        )
    return values


def _text(value: Any, key: str, path: str) -> str:
    if key.endswith("_port") and type(value) is int:
        return str(value)
    if not isinstance(value, str) or not value:
        raise ArgumentError(
            f"config file {path!r}: expected a string for {key}, got {value!r}"
        )
    return value


def _missing(key: str, path: str) -> ArgumentError:
    return ArgumentError(f"Scanner config missing key: {key} (in {path!r})")


def _check_type(kind: object, path: str) -> None:
    if kind != "posix" and kind not in _SCHEMES:
        raise ArgumentError(
            f"Unsupported storage type {kind}: storage.type in {path!r} is unknown; "
            "expected 'posix', 'gcs' or 's3'"
        )


def _place(storage: Mapping[str, str], path: str) -> str:
    """The folder or URL that a section ``[storage]`` describes."""
    scheme, place = _SCHEMES.get(storage["type"]), storage["db_path"]
    if scheme is None:
        return place
    if "://" in place:
        return place
    if "bucket" not in storage:
        raise _missing("storage.bucket", path)
    return f"{scheme}://{storage['bucket']}/{place.strip('/')}"


def chosen_config(
    config: Config | None, config_path: str | None, db_path: str | None
) -> Config:
    """The configuration that a client is given, by one way or another.

    Args:
        config: Goes before ``config_path``.
        config_path: A TOML file.
        db_path: The database; goes before that of the configuration.

    Returns:
        The given one, or one of its own where the database is another.
    """
    if config is None:
        return Config(config_path=config_path, db_path=db_path)
    return config if db_path is None else config.with_db_path(db_path)
