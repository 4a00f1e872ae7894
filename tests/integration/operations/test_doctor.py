"""The doctor on a system that is well, and on one that is broken in several ways at once."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer

from deploy.stack.settings import HOST
from pipelines.topics import changelog
from schemas.telemetry import SampleType
from tests.integration.operations.conftest import Ops
from tests.integration.pipeline.city import hello, recent, sources
from tests.integration.pipeline.harness import Sender


class Doctor:
    def __init__(self, ops: Ops) -> None:
        self._ops = ops

    def __call__(self, **changed: str) -> tuple[int, dict[str, dict[str, Any]]]:
        url = f"http://{HOST}:{self._ops.pipeline.worker.port}"
        argv = [sys.executable, "-m", "deploy.cli", "doctor", "--json", "--worker", url]
        env = self._ops.env | changed
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=90)
        assert done.stderr == ""
        return done.returncode, {f["what"]: f for f in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def doctor(ops: Ops, sender: Sender) -> Doctor:
    """On a pipeline at work."""
    hello(ops.pipeline, sender, list(sources(sender, recent(5)).values()))
    ops.wait("ready", ops.pipeline.worker.ready, 60)
    return Doctor(ops)


def test_what_is_well_is_said_to_be(ops: Ops, doctor: Doctor) -> None:
    # A topic that is heard for the first time is another partition to load, for a moment.
    ops.wait("well", lambda: doctor()[0] == 0, 60)
    code, found = doctor()
    assert [f["said"] for f in found.values() if not f["well"]] == []
    assert code == 0
    assert {"brokers", "partitions", "consumer group", "lag", "clocks", "migrations"} <= set(found)


def test_retention_is_as_declared_in_the_live_system(ops: Ops, doctor: Doctor) -> None:
    said = ops("retention")
    assert "telemetry.viewers.v1  retention.ms = 604800000" in said
    assert "raw_viewers  TTL = 30 days" in said


def test_a_changed_setting_is_noticed_by_both(ops: Ops, doctor: Doctor) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    def keep(ms: str) -> None:
        resource = ConfigResource(
            ConfigResourceType.TOPIC, "telemetry.orders.v1", {"retention.ms": ms}
        )
        with closing(ops.pipeline.kafka.admin()) as admin:
            admin.alter_configs([resource])

    keep("1000000000")
    try:
        code, found = doctor()
        done = ops.try_it("retention")
    finally:
        keep("604800000")
    assert code == done.returncode == 1
    assert "retention.ms is 1000000000" in found["retention of topics"]["said"]
    assert "declared: 604800000" in done.stdout


def test_what_is_broken_is_named_with_its_page_and_the_rest_still_looked_at(
    ops: Ops, doctor: Doctor
) -> None:
    """A stopped worker, ClickHouse away, and a table of another group missing, all at once."""
    ops.pipeline.worker.kill()
    ops.pipeline.clickhouse.kill()
    try:
        code, found = doctor(LIVEWATCH_GROUP="nobody")
    finally:
        ops.pipeline.clickhouse.restart()
    assert code == 1
    assert found["brokers"]["well"]
    assert changelog("nobody", "fold-state") in found["topics"]["said"]
    assert found["ClickHouse"]["page"] == "clickhouse-away"
    worker = next(f for what, f in found.items() if what.startswith("worker "))
    assert (worker["well"], worker["page"]) == (False, "worker-down")


def test_what_is_refused_is_told_with_the_newest_reason(ops: Ops, doctor: Doctor) -> None:
    assert doctor()[1]["dead letters"]["well"]
    topic, reason = SampleType.ORDERS.dlq_topic, b"ce_keyid: must be a registered key"
    with KafkaProducer(bootstrap_servers=ops.env["LIVEWATCH_BOOTSTRAP"]) as producer:
        for _ in range(60):
            producer.send(topic, b"", headers=[("dlq_reason", reason)])
    code, found = doctor()
    assert code == 1
    told = found["dead letters"]
    assert (told["well"], told["page"]) == (False, "dead-letters")
    assert told["said"].endswith(reason.decode())


def test_brokers_away_are_one_line(ops: Ops, doctor: Doctor) -> None:
    code, found = doctor(LIVEWATCH_BOOTSTRAP=f"{HOST}:1")
    assert code == 1
    assert not found["Kafka"]["well"]
    assert not found.keys() & {"lag", "dead letters"}  # said once
    assert found["migrations"]["well"]
