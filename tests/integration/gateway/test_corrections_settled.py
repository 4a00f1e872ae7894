"""A correction by HTTP, all the way: the gateway as it is run, Kafka, the engine's settled views.

The first stage runs here as it does in a worker, signatures and all, on what Kafka has at the end.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_driver import Client

from pipelines.agents.fold import FoldStage
from pipelines.agents.signers import Signers
from pipelines.agents.stage import Record
from pipelines.core.columns import TableColumns, concat
from pipelines.instruments import Instruments
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run
from producers.keys.files import create_key, delegate
from schemas.keys import FOR_EVER_MS, KeyRegistry, PublicKey
from schemas.telemetry import TOPICS, SampleType
from tests.integration.gateway.harness import RunningGateway, order
from tests.integration.pipeline.harness import records_of

pytestmark = pytest.mark.integration
PLATFORMS = ("p01", "p02")
MINE, THEIRS = f"{1:032x}", f"{2:032x}"
ORDERS = SampleType.ORDERS.topic
PATH = "/v1/corrections/orders"


@pytest.fixture
def gateway(kafka: Any, tmp_path: Path) -> Iterator[RunningGateway]:
    """One partition: the two platforms' batches have the same numbers."""
    kafka.create_topics(1)
    running = RunningGateway(tmp_path, kafka.bootstrap)
    yield running.start()
    running.end()
    kafka.delete_topics(*TOPICS)


@pytest.fixture
def reader(clickhouse: Any, database: str) -> Iterator[Client]:
    with clickhouse.client(user="admin") as admin:
        run(admin, database, plan(load(), 0, None))
    with clickhouse.client(database) as client:
        yield client


def registry(gateway: RunningGateway) -> KeyRegistry:
    """The gateway's key, and two platforms that delegate to it."""
    signers = {f"platform/{p}": create_key(gateway.directory / f"{p}.pem") for p in PLATFORMS}
    found = KeyRegistry()
    for owner, signer in (signers | {"gateway/gw-t1": gateway.signer}).items():
        public = signer.public_key.hex()
        found = found.with_key(PublicKey(owner, public, 0, FOR_EVER_MS, FOR_EVER_MS))
    for platform, own in zip(PLATFORMS, signers.values(), strict=True):
        found = found.with_delegation(delegate(own, platform, gateway.signer.key_id))
    return found


def store(client: Client, gateway: RunningGateway) -> None:
    """All that Kafka has of orders, through the first stage into the engine."""
    known = registry(gateway)
    stage = FoldStage(0, 1, Instruments(), signers=Signers(lambda: known, unsigned=False))
    stage.load(None, {}, 1 << 40)
    tables: dict[str, list[TableColumns]] = defaultdict(list)
    for r in records_of(gateway.bootstrap, ORDERS):
        record = Record(r.topic, r.partition, r.offset, r.timestamp, r.value, tuple(r.headers))
        work = stage.fold(record)
        assert work.dead is None
        for rows in (work.raw, work.also):
            if rows is not None:
                tables[rows[0]].append(rows[1])
    for table, parts in tables.items():
        insert(client, table, {name: concat([p[name] for p in parts]) for name in parts[0]})


def send(client: httpx.Client, *rows: dict[str, Any]) -> list[str]:
    answer = client.post("/v1/samples/orders", json=list(rows))
    assert answer.status_code == 202, answer.text
    return [b["id"] for b in answer.json()["batches"]]


def correct(client: httpx.Client, supersedes: Any, reason: str, **more: Any) -> list[str]:
    answer = client.post(PATH, json={"supersedes": supersedes, "reason": reason} | more)
    assert answer.status_code == 202, answer.text
    return [b["id"] for b in answer.json()["batches"]]


def test_a_correction_by_http_changes_the_settled_figures_and_is_audited(
    gateway: RunningGateway, reader: Client
) -> None:
    p01, p02 = (gateway.client(gateway.key(p)) for p in PLATFORMS)
    at = int(time.time() * 1000) - 5_000

    def mine(after: int, fen: int) -> dict[str, Any]:
        return order(1, session_id=MINE, event_time=at + after, paid_fen=fen)

    wrong = send(p01, mine(0, 100), mine(1, 100), mine(2, 100))
    doubled = send(p01, mine(3, 30))
    send(p02, order(1, session_id=THEIRS, event_time=at, paid_fen=7))
    # Another platform reaches neither the batch nor the session, and is not told of them.
    foreign = {"supersedes": {"batches": wrong}, "reason": "duplicate"}
    assert p02.post(PATH, json=foreign).status_code == 404
    correct(p02, {"session_id": MINE, "from": 0, "to": 10**14}, "duplicate")
    better = correct(p01, {"batches": wrong}, "miscounted", rows=[mine(0, 999)])
    correct(p01, {"batches": better}, "other", rows=[mine(0, 250)])
    correct(p01, {"batches": doubled}, "duplicate")
    send(p01, mine(10, 40), mine(20, 41))
    correct(p01, {"session_id": MINE, "from": at + 15, "to": at + 30}, "test_data")
    send(p01, mine(21, 42))  # sent again afterwards: no old correction withdraws it
    assert gateway.stop() == 0

    store(reader, gateway)
    now, originals = fen(reader, "v_settled_orders"), fen(reader, "v_orders")
    assert now == {"p01": [250, 40, 42], "p02": [7]}
    assert originals == {"p01": [100, 250, 999, 100, 100, 30, 40, 41, 42], "p02": [7]}
    minutes = "SELECT sum(paid_fen_1m) FROM v_settled_minute_session WHERE session_id = %(s)s"
    assert reader.execute(minutes, {"s": MINE}) == [(332,)]
    key_id = gateway.signer.key_id
    assert audit(reader) == [
        ("p02", "session", "duplicate", 0, 0, 0, 0, key_id),
        ("p01", "batch", "miscounted", 3, 1, 300, 999, key_id),
        ("p01", "batch", "other", 1, 1, 999, 250, key_id),
        ("p01", "batch", "duplicate", 1, 0, 30, 0, key_id),
        ("p01", "session", "test_data", 1, 0, 41, 0, key_id),
    ]


def fen(reader: Client, view: str) -> dict[str, list[int]]:
    """The platforms' amounts in the order of event time."""
    ordered = f"SELECT * FROM {view} ORDER BY event_time, paid_fen"
    sql = f"SELECT platform_id, groupArray(paid_fen) FROM ({ordered}) GROUP BY platform_id"
    return dict(reader.execute(sql))


def audit(reader: Client) -> list[tuple[Any, ...]]:
    return list(
        reader.execute(
            "SELECT platform_id, kind, reason, rows_withdrawn, rows_brought,"
            " before['paid_fen'], after['paid_fen'], key_id FROM v_corrections"
            " ORDER BY broker_time, epoch, platform_id DESC, sequence"
        )
    )
