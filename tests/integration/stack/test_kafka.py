"""The real broker: what it was told is in force, and a kill loses nothing acknowledged."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError, UnknownTopicOrPartitionError


def _send(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_request_size=4 * 2**20, max_block_ms=5000
    )
    with closing(producer):
        for future in [producer.send(topic, value, partition=0) for value in values]:
            future.get(timeout=20)


def _read(bootstrap: str, topic: str, count: int) -> list[Any]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=15_000
    )
    with closing(consumer):
        consumer.assign([TopicPartition(topic, 0)])
        return [record for record, _ in zip(consumer, range(count), strict=False)]


def test_round_trip_survives_a_kill(kafka: Any) -> None:
    kafka.create_topics(2, "stack.roundtrip")
    _send(kafka.bootstrap, "stack.roundtrip", [b"before", b"x" * 1_900_000])
    kafka.kill()
    kafka.restart()
    _send(kafka.bootstrap, "stack.roundtrip", [b"after"])
    records = _read(kafka.bootstrap, "stack.roundtrip", 3)
    assert [r.value[:6] for r in records] == [b"before", b"xxxxxx", b"after"]
    assert {r.timestamp_type for r in records} == {1}, "LogAppendTime"


def test_a_record_over_the_limit_is_refused(kafka: Any) -> None:
    kafka.create_topics(1, "stack.limit")
    with pytest.raises(MessageSizeTooLargeError):
        _send(kafka.bootstrap, "stack.limit", [b"x" * (2**21 + 1000)])


def test_topics_are_not_made_by_accident(kafka: Any) -> None:
    with closing(kafka.admin()) as admin:
        assert "stack.accident" not in admin.list_topics()
        found = admin.describe_topics(["stack.accident"])
        assert found[0]["error_code"] == UnknownTopicOrPartitionError.errno
        assert "stack.accident" not in admin.list_topics()
