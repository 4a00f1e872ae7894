"""The gateway as it runs: accepted is delivered once, and nobody learns of anyone else."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter, defaultdict
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, TopicPartition

from producers.gateway.parse import JSON, parse
from schemas.batch import decode, encode
from schemas.identity import from_headers
from schemas.signing import KEY_HEADER, SIGNATURE_HEADER, verify
from schemas.telemetry import TOPICS, SampleType
from tests.integration.gateway.harness import PARTITIONS, RunningGateway, order, orders

pytestmark = pytest.mark.integration


def stored(bootstrap: str, signer: Any) -> dict[str, Counter[str]]:
    """Rows in Kafka by platform and session, repeats of a batch left out; each batch's signature,
    schema and place are checked, and that no sequence has a hole."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    lanes = [TopicPartition(t, p) for t in TOPICS for p in range(PARTITIONS)]
    consumer.assign(lanes)
    ends = consumer.end_offsets(lanes)
    consumer.seek_to_beginning(*lanes)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[Any, set[int]] = defaultdict(set)
    while any(consumer.position(lane) < ends[lane] for lane in lanes):
        for records in consumer.poll(timeout_ms=500).values():
            for r in records:
                header = from_headers(r.headers, r.topic, r.partition)
                given = dict(r.headers)
                assert given[KEY_HEADER].decode() == signer.key_id
                signature = given[SIGNATURE_HEADER]
                verify(signer.public_key, signature, r.topic, r.partition, r.headers, r.value)
                ident = header.identity
                mine = seen[ident.platform_id, ident.source, ident.epoch, r.topic, r.partition]
                if ident.sequence in mine:
                    continue
                mine.add(ident.sequence)
                batch = decode(r.value, header, r.timestamp)
                assert batch.refused == []
                found[ident.platform_id].update(batch.table.column("session_id").to_pylist())
    consumer.close()
    for sequences in seen.values():
        assert sequences == set(range(len(sequences)))
    return found


def test_every_way_of_sending_arrives_once(gateway: RunningGateway) -> None:
    client = gateway.client(gateway.key("p01"))
    rows = [order(n) for n in range(1, 9)]
    columns = {name: [r[name] for r in rows[2:4]] for name in rows[0]}
    lines = "\n".join(json.dumps(r) for r in rows[4:6])
    now = int(time.time() * 1000)
    table = parse(SampleType.ORDERS, JSON, json.dumps(rows[6:8]).encode(), 10, now).rows
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answers = [
        client.post("/v1/samples/orders", json=rows[0:1]),
        client.post("/v1/samples/orders", content=gzip.compress(orders(2, 1)), headers=packed),
        client.post("/v1/samples/orders", json=columns),
        client.post("/v1/samples/orders", content=lines, headers=kind("application/x-ndjson")),
        client.post("/v1/heartbeat"),
        client.post(
            "/v1/samples/orders",
            content=encode(table),
            headers=kind("application/vnd.apache.arrow.stream") | {"Idempotency-Key": "last"},
        ),
    ]
    assert [a.status_code for a in answers] == [202] * 6, [a.text for a in answers]
    gateway.await_delivery(client, "last")
    found = stored(gateway.bootstrap, gateway.signer)
    assert found["p01"] == Counter({r["session_id"]: 1 for r in rows})
    assert gateway.stop() == 0


def kind(media_type: str) -> dict[str, str]:
    return {"Content-Type": media_type}


def test_a_key_opens_one_platform_and_says_nothing_of_another(gateway: RunningGateway) -> None:
    a, b = gateway.client(gateway.key("p01")), gateway.client(gateway.key("p02"))
    again = {"Idempotency-Key": "k1"}
    assert b.post("/v1/samples/orders", json=[order(2)], headers=again).status_code == 202
    unknown = a.get("/v1/receipts/never").content
    assert (a.get("/v1/receipts/k1").status_code, a.get("/v1/receipts/k1").content) == (
        404,
        unknown,
    )
    assert a.post("/v1/samples/orders", json=[order(1)], headers=again).status_code == 202
    assert "idempotent-replay" not in a.post("/v1/heartbeat").headers
    assert a.get("/v1/status").json()["platform_id"] == "p01"
    for path in ("/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/nothing"):
        assert "p02" not in a.get(path).text
    gateway.await_delivery(a, "k1")
    gateway.await_delivery(b, "k1")
    found = stored(gateway.bootstrap, gateway.signer)
    assert found["p01"].keys() == {f"{1:032x}"}
    assert found["p02"].keys() == {f"{2:032x}"}


def test_who_sends_too_much_is_told_so_while_still_sending(gateway: RunningGateway) -> None:
    """And not cut off: a client that gets no answer sends the same again."""
    client = gateway.client(gateway.key("p01"))
    headers = kind(JSON) | {"Authorization": client.headers["Authorization"]}
    for size in (4_100_000, 20_000_000):
        # A client that first sends all and then reads, as the simple ones do.
        plain = HTTPConnection(client.base_url.host, client.base_url.port)
        plain.request("POST", "/v1/samples/orders", b" " * size, headers)
        answer = plain.getresponse()
        assert answer.status == 413
        assert b"at most" in answer.read()


def test_keys_come_and_go_without_a_restart(gateway: RunningGateway) -> None:
    first = gateway.key("p01")
    old, now = gateway.client(first), int(time.time() * 1000)
    assert old.post("/v1/heartbeat").status_code == 202
    new = gateway.client(gateway.key("p01"))
    assert {old.post("/v1/heartbeat").status_code, new.post("/v1/heartbeat").status_code} == {202}
    gateway.keys.revoke(first.split("_")[1], now)
    refused = [
        old.post("/v1/heartbeat"),
        gateway.client(first[:-2] + "00").post("/v1/heartbeat"),
        gateway.client(gateway.key("p01", end=now - 1)).post("/v1/heartbeat"),
        gateway.client(gateway.key("p01", begin=now + 9_000_000)).post("/v1/heartbeat"),
        gateway.client().post("/v1/heartbeat"),
    ]
    assert {(r.status_code, r.text) for r in refused} == {(401, refused[0].text)}
    assert new.post("/v1/heartbeat").status_code == 202


def test_a_retry_is_answered_from_the_book_even_after_a_kill(gateway: RunningGateway) -> None:
    client = gateway.client(gateway.key("p01"))
    body, key = orders(1, 50), kind("application/json") | {"Idempotency-Key": "r1"}
    first = client.post("/v1/samples/orders", content=body, headers=key)
    gateway.kill()
    gateway.start()
    second = client.post("/v1/samples/orders", content=body, headers=key)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second.headers["idempotent-replay"] == "true"
    other = client.post("/v1/samples/orders", content=orders(2, 50), headers=key)
    assert other.status_code == 409
    gateway.await_delivery(client, "r1")
    assert stored(gateway.bootstrap, gateway.signer)["p01"].total() == 50


def test_kills_under_load_lose_and_double_nothing(gateway: RunningGateway) -> None:
    key, stop = gateway.key("p01"), threading.Event()
    accepted: list[int] = []

    def platform(first: int) -> None:
        client = gateway.client(key)
        for number in range(first, first + 100_000, 20):
            if stop.is_set():
                return
            _until_accepted(client, f"b{number}", orders(number, 20))
            accepted.extend(range(number, number + 20))

    threads = [threading.Thread(target=platform, args=(n * 1_000_000,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(1.0)
        gateway.kill()
        gateway.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert gateway.stop() == 0
    found = stored(gateway.bootstrap, gateway.signer)["p01"]
    assert len(accepted) > 400
    assert found == Counter({f"{n:032x}": 1 for n in accepted})


def _until_accepted(client: httpx.Client, key: str, body: bytes) -> None:
    headers = kind("application/json") | {"Idempotency-Key": key}
    while True:
        try:
            if client.post("/v1/samples/orders", content=body, headers=headers).status_code == 202:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.02)


def test_while_kafka_is_away_the_spool_takes_it_and_says_when_it_is_full(
    kafka: Any, topics: str, tmp_path: Path
) -> None:
    gateway = RunningGateway(tmp_path, topics, "--spool-mb", "1").start()
    try:
        client = gateway.client(gateway.key("p01"))
        assert client.post("/v1/heartbeat").status_code == 202
        kafka.kill()
        accepted = 0
        while (answer := _send(client, accepted)).status_code == 202:
            accepted += 1
            assert accepted < 500
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/readyz").status_code == 503
        assert gateway.stop() == 0
        gateway.start()  # without Kafka
        assert client.get("/v1/receipts/s0").json()["state"] == "spooled"
        kafka.restart()
        gateway.await_delivery(client, f"s{accepted - 1}")
        assert client.get("/readyz").status_code == 200
        found = stored(topics, gateway.signer)["p01"]
        assert found == Counter({f"{n:032x}": 1 for n in range(accepted * 200)})
    finally:
        gateway.end()


def _send(client: httpx.Client, number: int) -> httpx.Response:
    headers = kind("application/json") | {"Idempotency-Key": f"s{number}"}
    body = orders(number * 200, 200)
    return client.post("/v1/samples/orders", content=body, headers=headers)
