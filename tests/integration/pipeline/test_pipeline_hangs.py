"""A consumer that hangs is noticed from what Kafka says there is to read."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.stack.ports import free_run
from tests.integration.pipeline.city import hello, recent, sources
from tests.integration.pipeline.harness import MINUTE, Pipeline, Sender, Worker


@pytest.fixture
def hanging(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """The module's worker gives way to one that can be made to hang."""
    env = pipeline.worker.env
    assert pipeline.worker.terminate(30) == 0
    folder, port = tmp_path_factory.mktemp("hanging"), free_run()
    script = "tests.integration.pipeline.hanging"
    worker = Worker(
        env, folder, port, [sys.executable, "-m", script, str(folder / "state"), str(port)]
    )
    try:
        worker.wait("ready", worker.ready, 60)
        yield worker
    finally:
        worker.end()


def test_a_worker_that_is_started_without_kafka_waits_for_it(
    pipeline: Pipeline, kafka: Any
) -> None:
    worker = pipeline.worker
    worker.kill()
    kafka.kill()
    try:
        worker.restart()
        worker.wait("waits", lambda: "waiting for Kafka" in worker.log.read_text(), 60)
        assert worker.terminate(30) == 0, "it can be stopped while it waits"
        worker.restart()
    finally:
        kafka.restart()
    worker.wait("ready", worker.ready, 90)
    assert worker.unasked == []


def test_a_hung_consumer_is_neither_live_nor_ready(
    pipeline: Pipeline, sender: Sender, hanging: Worker
) -> None:
    start = recent(5)
    gates = list(sources(sender, start).values())
    hello(Pipeline(hanging, pipeline.kafka, pipeline.clickhouse, pipeline.database), sender, gates)
    assert hanging.get("/healthz").status_code == 200
    hanging.signal(signal.SIGHUP)
    for gate in gates:
        gate.step(start + MINUTE, {})
    sender.flush()
    hanging.wait("not live", lambda: hanging.get("/healthz").status_code == 503, 40)
    assert "no record folded" in hanging.get("/healthz").text
    assert hanging.get("/readyz").status_code == 503
    hanging.wait("not live in the metrics", lambda: hanging.metric("livewatch_live") == 0, 10)
