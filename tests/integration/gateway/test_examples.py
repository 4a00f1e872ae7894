"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from deploy.check import second_language
from producers.keys.files import create_key
from schemas.batch import decode
from schemas.identity import from_headers
from schemas.sharding import shard_of
from schemas.signing import SIGNATURE_HEADER, verify
from tests.integration.gateway.harness import PARTITIONS, RunningGateway

pytestmark = pytest.mark.integration
SESSION = "5e" * 16


def record(bootstrap: str, topic: str, partition: int, offset: int) -> Any:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    lane = TopicPartition(topic, partition)
    consumer.assign([lane])
    consumer.seek(lane, offset)
    found = next(iter(consumer))
    consumer.close()
    return found


@pytest.mark.skipif(second_language.missing() is not None, reason=str(second_language.missing()))
def test_a_batch_from_java_follows_the_contract(topics: str, tmp_path: Path) -> None:
    signer = create_key(tmp_path / "p01.pem")
    batch = second_language.JavaBatch(
        topics, "p01", tmp_path / "p01.pem", signer.key_id, SESSION, PARTITIONS
    )
    topic, partition, offset = second_language.send(batch)
    found = record(topics, topic, partition, offset)
    header = from_headers(found.headers, topic, partition)
    signature = dict(found.headers)[SIGNATURE_HEADER]
    verify(signer.public_key, signature, topic, partition, found.headers, found.value)
    decoded = decode(found.value, header, found.timestamp)
    assert decoded.refused == []
    row = decoded.table.to_pylist()[0]
    assert (row["session_id"], row["orders"], row["district"]) == (SESSION, 7, "310115")
    assert partition == shard_of([SESSION.encode()], PARTITIONS)[0]


def test_the_platform_back_end_reports(gateway: RunningGateway) -> None:
    env = os.environ | {"LIVEWATCH_API_KEY": gateway.key("p01"), "REPORT_EVERY_S": "0"}
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    command = [sys.executable, "-m", "producers.examples.platform_backend", gateway.url]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout == "50 rows accepted\n", done.stderr
