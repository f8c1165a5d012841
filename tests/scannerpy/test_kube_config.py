"""Accounts, machines and clusters: defaults, sizes, prices."""

from __future__ import annotations

import inspect

import pytest

from beam_scanner.clusters.machine_types import SCANNERS
from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy import kube


@pytest.fixture(autouse=True)
def _list_of_scanner():
    yield
    kube.use_machine_types(SCANNERS)


def machine(**how) -> kube.MachineConfig:
    given = {"type": kube.MachineTypeName("n1-standard-4"), "image": "i", "disk": 50}
    return kube.MachineConfig(**{**given, **how})


def test_accounts(monkeypatch, tmp_path) -> None:
    key = tmp_path / "key.json"
    key.write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-1")
    account = kube.CloudConfig(project="tv")
    assert (account.service_key, account.storage_key_id) == (str(key), "id-1")
    assert account.secrets() == {
        "AWS_ACCESS_KEY_ID": "id-1",
        "AWS_SECRET_ACCESS_KEY": "secret-1",
        "key.json": "{}",
    }
    assert "secret-1" not in repr(account)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert kube.CloudConfig("tv").secrets() == {}
    with pytest.raises(ArgumentError, match=r"service_key .*No such file"):
        kube.CloudConfig("tv", service_key=str(tmp_path / "none")).secrets()


def test_machine_types() -> None:
    named = kube.MachineTypeName("n1-highmem-8")
    assert (named.get_cpu(), named.get_mem(), named.get_name()) == (8, 52, named.name)
    asked = kube.MachineTypeQuantity(cpu=2, mem=20)
    assert (asked.get_cpu(), asked.get_mem()) == (2, 20)
    assert asked.get_name() == "custom-2-20480-ext"
    with pytest.raises(ArgumentError, match=r"'m5.large' is not in the list"):
        kube.MachineTypeName("m5.large").get_cpu()


def test_prices() -> None:
    assert machine().price() == pytest.approx(0.19)
    assert machine(preemptible=True).price() == pytest.approx(0.04)
    assert machine(gpu=2).price() == pytest.approx(0.19 + 2.92)
    config = kube.ClusterConfig("films", 3, machine(), machine(preemptible=True))
    assert config.price() == pytest.approx(0.19 + 0.12)
    assert config.price(no_master=True) == pytest.approx(0.12)
    rows = [{"name": "m5.large", "cpu": 2, "memory": 8, "price": 0.1}]
    kube.use_machine_types(rows)
    large = kube.MachineTypeName("m5.large")
    assert (large.get_cpu(), machine(type=large).price()) == (2, 0.1)
    with pytest.raises(ArgumentError, match=r"price of|not in the list"):
        machine().price()
    kube.use_machine_types(kube.MachineTypeList(rows))
    with pytest.raises(ArgumentError):
        kube.use_machine_types([7])  # type: ignore[list-item]


def test_defaults_are_scanners() -> None:
    found = inspect.signature(kube.ClusterConfig).parameters
    names = (
        "id num_workers master worker zone kube_version num_load_workers "
        "num_save_workers autoscale no_workers_timeout scopes scanner_config pipelines"
    )
    assert list(found)[:13] == names.split()
    assert found["zone"].default == "us-east1-b"
    assert found["no_workers_timeout"].default == 600
    assert list(inspect.signature(kube.MachineConfig).parameters) == (
        ["image", "type", "disk", "gpu", "gpu_type", "preemptible"]
    )
    assert list(inspect.signature(kube.CloudConfig).parameters)[:4] == (
        ["project", "service_key", "storage_key_id", "storage_key_secret"]
    )
