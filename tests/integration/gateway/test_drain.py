"""The gateway's way to Kafka, with a client that has stalled."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from producers.gateway.drain import Drain, kafka_producer
from producers.gateway.store import Store, Unsent
from schemas.telemetry import SampleType
from tests.integration.producers.test_push_kafka import never_asked

TOPIC = SampleType.ORDERS.topic


def test_a_client_that_waits_for_ever_for_an_epoch_is_replaced(topics: str, tmp_path: Path) -> None:
    path, clients, delivered = tmp_path / "spool.sqlite3", [], threading.Event()
    store = Store(path)

    def connect() -> Any:
        clients.append(kafka_producer(topics))
        if len(clients) == 1:
            assert clients[0].send(TOPIC, b"first", partition=0).get(10)
            never_asked(clients[0])
        return clients[-1]

    drain = Drain(path, connect, None, stall_s=2.0)
    store.commit([Unsent(TOPIC, 0, [], b"second"), Unsent(TOPIC, 0, [], b"third")], [], 0)
    gone: list[int] = []

    def on_delivered(some: Any) -> None:
        gone.extend(number for number, _ in some)
        if len(gone) == 2:
            delivered.set()

    began = time.monotonic()
    drain.start(on_delivered)
    assert delivered.wait(30)
    assert time.monotonic() - began > 2.0
    drain.close(5)
    store.close()
    assert len(clients) == 2
    assert values(topics) == [b"first", b"second", b"third"]


def values(bootstrap: str) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    lane = TopicPartition(TOPIC, 0)
    consumer.assign([lane])
    consumer.seek_to_beginning(lane)
    end, found = consumer.end_offsets([lane])[lane], []
    while consumer.position(lane) < end:
        found += [r.value for some in consumer.poll(timeout_ms=500).values() for r in some]
    consumer.close()
    return found
