"""Pools of machines: which programs are called, and with what."""

from __future__ import annotations

import pytest

from beam_scanner.clusters.node_pools import CLOUDS, Place, Pool, cloud
from beam_scanner.errors import ArgumentError, MissingDependencyError, WorkerError
from tests.support.fake_programs import FakePrograms

MASTER = Pool("small", 1, 50)
WORKERS = Pool("large", 4, 100)
PROGRAMS = {"gcp": "gcloud", "aws": "eksctl", "azure": "az"}
LISTED = {
    "gcp": [{"name": "films"}],
    "aws": [{"metadata": {"name": "films"}}],
    "azure": [{"name": "films"}],
}


@pytest.fixture
def programs(tmp_path, monkeypatch):
    made = FakePrograms(tmp_path, "gcloud", "eksctl", "aws", "az")
    monkeypatch.setenv("PATH", made.path())
    return made


def place(**more) -> Place:
    return Place("films", "tv", "zone-1", **more)


def changes(programs) -> list[str]:
    """Calls that do more than list."""
    calls = [" ".join(call) for call in programs.calls()]
    return [c for c in calls if " list" not in c and " get " not in c]


def there(programs, name: str, *pools: str) -> None:
    """Has the cluster be there, with these pools."""
    key = "Name" if name == "aws" else "name"
    if name == "aws":
        programs.answer(LISTED[name], "get", "cluster")
        programs.answer([{key: pool} for pool in pools], "get", "nodegroup")
    elif name == "gcp":
        programs.answer(LISTED[name], "clusters", "list")
        programs.answer([{key: pool} for pool in pools], "node-pools", "list")
    else:
        programs.answer(LISTED[name], "list")
        programs.answer([{key: pool} for pool in pools], "nodepool", "list")


def test_google(programs) -> None:
    made = cloud("gcp", place(version="1.30", scopes=("b", "a")))
    made.start(MASTER, Pool("large", 4, 100, 2, "nvidia-l4", True, True))
    where = "--project=tv --zone=zone-1 --quiet"
    assert changes(programs) == [
        (
            "gcloud container clusters create films --machine-type=small --disk-size=50 "
            f"--num-nodes=1 --scopes=a,b --cluster-version=1.30 {where}"
        ),
        (
            "gcloud container node-pools create workers --cluster=films "
            "--machine-type=large --disk-size=100 --num-nodes=4 --scopes=a,b "
            "--enable-autoscaling --min-nodes=0 --max-nodes=4 "
            "--accelerator=type=nvidia-l4,count=2,gpu-driver-version=default --spot "
            f"{where}"
        ),
    ]
    made.resize(Pool("large", 9, 100))
    made.resize(Pool("large", 9, 100, autoscale=True))
    made.get_credentials()
    made.delete()
    assert changes(programs)[2:] == [
        f"gcloud container clusters resize films --node-pool=workers --num-nodes=9 {where}",
        (
            "gcloud container node-pools update workers --cluster=films "
            f"--enable-autoscaling --min-nodes=0 --max-nodes=9 {where}"
        ),
        f"gcloud container clusters get-credentials films {where}",
        f"gcloud container clusters delete films {where}",
    ]
    assert made.nodes("workers") == {"cloud.google.com/gke-nodepool": "workers"}
    assert made.is_context("gke_tv_zone-1_films")
    assert not made.is_context("gke_tv_zone-1_films2")


def test_amazon(programs) -> None:
    made = cloud("aws", place(version="1.30"))
    made.start(MASTER, Pool("large", 4, 100, spot=True))
    assert changes(programs) == [
        (
            "eksctl create cluster --name=films --without-nodegroup --version=1.30 "
            "--region=zone-1"
        ),
        (
            "eksctl create nodegroup --cluster=films --name=default-pool "
            "--node-type=small --node-volume-size=50 --nodes=1 --nodes-min=1 --nodes-max=1 "
            "--region=zone-1"
        ),
        (
            "eksctl create nodegroup --cluster=films --name=workers "
            "--node-type=large --node-volume-size=100 --nodes=4 --nodes-min=4 --nodes-max=4 "
            "--spot --region=zone-1"
        ),
    ]
    made.resize(Pool("large", 9, 100, autoscale=True))
    made.get_credentials()
    made.delete()
    assert changes(programs)[3:] == [
        (
            "eksctl scale nodegroup --cluster=films --name=workers --nodes=9 --nodes-min=0 "
            "--nodes-max=9 --region=zone-1"
        ),
        "aws eks update-kubeconfig --name=films --region=zone-1",
        "eksctl delete cluster --name=films --wait --region=zone-1",
    ]
    assert made.is_context("arn:aws:eks:zone-1:123:cluster/films")
    assert not made.is_context("arn:aws:eks:zone-2:123:cluster/films")


def test_azure(programs) -> None:
    made = cloud("azure", place(version="1.30"))
    spot = Pool("large", 4, 100, spot=True, autoscale=True)
    made.start(MASTER, spot)
    group = "--resource-group=tv"
    assert changes(programs) == [
        (
            "az aks create --name=films --nodepool-name=masters --node-vm-size=small "
            "--node-osdisk-size=50 --node-count=1 --kubernetes-version=1.30 "
            f"--location=zone-1 --generate-ssh-keys {group}"
        ),
        (
            "az aks nodepool add --cluster-name=films --name=workers --node-vm-size=large "
            "--node-osdisk-size=100 --node-count=4 --enable-cluster-autoscaler "
            f"--min-count=0 --max-count=4 --priority=Spot --spot-max-price=-1 {group}"
        ),
    ]
    made.resize(Pool("large", 9, 100))
    made.resize(Pool("large", 9, 100, autoscale=True))
    made.get_credentials()
    made.delete()
    names = "--cluster-name=films --name=workers"
    assert changes(programs)[2:] == [
        f"az aks nodepool scale {names} --node-count=9 {group}",
        (
            f"az aks nodepool update {names} --update-cluster-autoscaler --min-count=0 "
            f"--max-count=9 {group}"
        ),
        f"az aks get-credentials --name=films --overwrite-existing {group}",
        f"az aks delete --name=films --yes {group}",
    ]
    (taint,) = made.tolerations(spot)
    assert (taint["value"], taint["effect"]) == ("spot", "NoSchedule")
    assert made.tolerations(WORKERS) == []


@pytest.mark.parametrize("name", CLOUDS)
def test_only_what_is_missing_is_made(name: str, programs) -> None:
    made = cloud(name, place())
    assert made.pools() == []
    there(programs, name, made.master_pool, "workers")
    assert made.pools() == [made.master_pool, "workers"]
    made.start(MASTER, WORKERS)
    assert changes(programs) == []
    there(programs, name, made.master_pool)
    made.start(MASTER, WORKERS)
    assert len(changes(programs)) == 1
    assert "workers" in changes(programs)[0]
    assert cloud(name, Place("film", "tv", "zone-1")).pools() == []


@pytest.mark.parametrize("name", CLOUDS)
def test_errors_of_clouds_are_told(name: str, programs, tmp_path, monkeypatch) -> None:
    made = cloud(name, place())
    programs.answer("quota exceeded", "delete", code=1)
    with pytest.raises(WorkerError, match=rf"{PROGRAMS[name]} .*: quota exceeded"):
        made.delete()
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(MissingDependencyError, match=f"no program '{PROGRAMS[name]}'"):
        made.start(MASTER, WORKERS)


def test_unknown_clouds() -> None:
    with pytest.raises(ArgumentError, match=r"'gcp', 'aws', 'azure', or None .* 'ibm'"):
        cloud("ibm", place())
