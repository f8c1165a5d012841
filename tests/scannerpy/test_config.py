import builtins
import io
import os
import pickle
from pathlib import Path

import pytest

from beam_scanner.errors import ArgumentError, ScannerException
from beam_scanner.scannerpy.config import (
    Config,
    chosen_config,
    mkdir_p,
    read_line,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, and no way to ask the user."""

    def refuse(*_: object) -> str:
        raise AssertionError("asked on stdin")

    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(builtins, "input", refuse)
    return folder


def written(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text)
    return str(path)


def test_without_a_file_the_defaults_hold_and_nothing_is_written(home: Path) -> None:
    config = Config()
    assert config.config == Config.default_config()
    assert config.config_path == str(home / ".beam_scanner/config.toml")
    assert config.config_path == Config.default_config_path()
    assert config.db_path == str(home / ".beam_scanner/db")
    assert config.master_address == "localhost"
    assert (config.master_port, config.worker_port) == ("5001", "5002")
    assert list(home.iterdir()) == []


def test_the_default_file_is_read_where_it_is(home: Path) -> None:
    folder = home / ".beam_scanner"
    folder.mkdir()
    written(folder, '[storage]\ntype = "posix"\ndb_path = "~/films"\n')
    assert Config().db_path == str(home / "films")


def test_a_given_file_says_everything(home: Path) -> None:
    path = written(
        home,
        '[storage]\ntype = "posix"\ndb_path = "/data/db"\n'
        '[network]\nmaster = "host"\nmaster_port = 6001\nworker_port = "6002"\n'
        "[mine]\nanswer = 42\n",
    )
    config = Config(path)
    assert config.db_path == "/data/db"
    assert config.master_address == "host"
    assert (config.master_port, config.worker_port) == ("6001", "6002")
    assert config.config["mine"] == {"answer": 42}
    assert config.storage.url == "/data/db"


def test_the_argument_goes_before_the_file(home: Path) -> None:
    path = written(home, '[storage]\ntype = "posix"\ndb_path = "/data/db"\n')
    assert Config(path, db_path="/other").db_path == "/other"
    path = written(home, '[storage]\ntype = "posix"\n')
    assert Config(path, db_path=Path("/other")).db_path == "/other"
    assert not os.path.exists("/other")


def test_a_relative_folder_is_that_of_the_client(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    config = Config(db_path="db")
    monkeypatch.chdir("/")
    assert config.db_path == str(home / "db")


def test_with_db_path_leaves_the_first_alone(home: Path) -> None:
    config = Config(db_path="/one")
    other = config.with_db_path("/two")
    assert (config.db_path, other.db_path) == ("/one", "/two")
    assert other.config_path == config.config_path


def test_a_configuration_goes_before_a_file_and_a_database_before_both(
    home: Path,
) -> None:
    given = Config(db_path="/one")
    assert chosen_config(given, "not read", None) is given
    assert chosen_config(given, None, "/two").db_path == "/two"
    assert chosen_config(None, None, "/two").db_path == "/two"
    path = written(home, "[storage]\ntype = 'posix'\ndb_path = '/three'\n")
    assert chosen_config(None, path, None).db_path == "/three"


def test_pickles(home: Path) -> None:
    path = written(home, '[storage]\ntype = "posix"\ndb_path = "/data/db"\n')
    config = Config(path)
    os.unlink(path)
    copy = pickle.loads(pickle.dumps(config))
    assert vars(copy) == vars(config)
    assert copy.storage == config.storage


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"Scanner config missing key: storage \(in '.*config.toml'\)"),
        ("[network]\n", "Scanner config missing key: storage "),
        ('[storage]\ndb_path = "/a"\n', "missing key: storage.type"),
        ('[storage]\ntype = "posix"\n', "missing key: storage.db_path"),
        ('storage = "posix"\n', r"expected a section \[storage\], got 'posix'"),
        (
            '[storage]\ntype = "posix"\ndb_path = 3\n',
            "string for storage.db_path, got 3",
        ),
        ('[storage]\ntype = "posix"\ndb_path = ""\n', "string for storage.db_path"),
        ('[storage]\ntype = "gcs"\nbucket = "b"\n', "missing key: storage.db_path"),
        ('[storage]\ntype = "s3"\ndb_path = "db"\n', "missing key: storage.bucket"),
        (
            '[storage]\ntype = "gcs"\ndb_path = "db"\nbucket = 3\n',
            "string for storage.bucket, got 3",
        ),
        ('[storage]\ntype = "tape"\n', "Unsupported storage type tape.*unknown"),
        ('[storage]\ntype = "posix"\ndb_path = "gs://b/c"\n', "gs://b/c"),
        (
            '[storage]\ntype = "posix"\ndb_path = "/a"\n[network]\nmaster = 1\n',
            "string for network.master, got 1",
        ),
        ("[storage\n", "config.toml' is not valid TOML"),
    ],
)
def test_errors_name_the_file_and_the_key(home: Path, text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Config(written(home, text))


def test_a_given_file_must_be_there(home: Path) -> None:
    missing = str(home / "no.toml")
    with pytest.raises(ScannerException, match=r"does not exist: '.*no\.toml'"):
        Config(missing)
    assert list(home.iterdir()) == []


def test_files_that_cannot_be_read(home: Path) -> None:
    with pytest.raises(ArgumentError, match="cannot be read: Is a directory"):
        Config(home)
    (home / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ArgumentError, match="is not valid TOML"):
        Config(home / "config.toml")
    with pytest.raises(ArgumentError, match="expected a folder"):
        Config(db_path="")


def test_a_database_may_lie_in_a_bucket(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcs = '[storage]\ntype = "gcs"\nbucket = "films"\ndb_path = "/scanner/db"\n'
    assert Config(written(home, gcs)).db_path == "gs://films/scanner/db"
    for name in ("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
        # So that it is put back afterwards, whatever Config does to it.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    s3 = (
        '[storage]\ntype = "s3"\nbucket = "films"\ndb_path = "db"\n'
        'region = "eu-west-1"\nendpoint = "minio:9000"\n'
    )
    for _ in range(2):
        config = Config(written(home, s3))
        assert config.db_path == config.storage.url == "s3://films/db"
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "https://minio:9000"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://other:1")
    with pytest.raises(ArgumentError, match="AWS_ENDPOINT_URL_S3 is 'http://other:1'"):
        Config(written(home, s3))


def test_helpers_of_scanner(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        mkdir_p(home / "a" / "b")
    assert (home / "a" / "b").is_dir()
    monkeypatch.setattr("sys.stdin", io.StringIO(" yes \nno\n"))
    assert [read_line("Y/n? "), read_line("Y/n? "), read_line("Y/n? ")] == [
        "yes",
        "no",
        "",
    ]
