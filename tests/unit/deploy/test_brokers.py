"""Several brokers: ports, what each is told, and a home that remembers how many there were."""

from pathlib import Path

import pytest

from deploy.errors import StackError, UsageError
from deploy.stack import kafka
from deploy.stack.settings import Detours, Ports, StackSettings


def _properties(settings: StackSettings, number: int) -> dict[str, str]:
    text = kafka.Broker(kafka.Cluster.of(settings), number)._properties()
    return dict(line.split("=", 1) for line in text.splitlines() if line)


def test_three_brokers_keep_every_record_on_two(tmp_path: Path) -> None:
    settings = StackSettings(tmp_path, Ports(20000, 20001), brokers=3)
    assert settings.bootstrap == "127.0.0.1:20000,127.0.0.1:20010,127.0.0.1:20020"
    third = _properties(settings, 2)
    assert third["node.id"] == "3"
    assert third["min.insync.replicas"] == "2"
    assert third["offsets.topic.replication.factor"] == "3"
    assert third["inter.broker.listener.name"] == "BETWEEN"
    assert third["controller.quorum.voters"].count("@") == 3


def test_a_detour_is_for_clients_only(tmp_path: Path) -> None:
    settings = StackSettings(tmp_path, Ports(20000, 20001), brokers=3, detours=Detours(21000))
    second = _properties(settings, 1)
    assert second["listeners"].startswith("CLIENT://127.0.0.1:20010,")
    assert second["advertised.listeners"] == ("CLIENT://127.0.0.1:21010,BETWEEN://127.0.0.1:20012")
    assert settings.bootstrap.startswith("127.0.0.1:21000,127.0.0.1:21010,")


def test_one_broker_needs_no_port_more(tmp_path: Path) -> None:
    settings = StackSettings(tmp_path, Ports(20000, 20001))
    assert "BETWEEN" not in _properties(settings, 0)["listeners"]
    assert len(settings.ports.named(2)) == 9


def test_ports_of_a_cluster_do_not_clash() -> None:
    named = Ports().named(4, 3)
    assert len(set(named.values())) == len(named) == 18


def test_a_home_keeps_its_number_of_brokers(tmp_path: Path) -> None:
    one = kafka.Cluster.of(StackSettings(tmp_path))
    assert one.id() == one.id()
    with pytest.raises(StackError, match="this home has 1 brokers"):
        kafka.Cluster.of(StackSettings(tmp_path, brokers=3)).id()


def test_two_brokers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--brokers must be 1 or 3, not 2"):
        StackSettings(tmp_path, brokers=2)
