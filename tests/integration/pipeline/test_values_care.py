"""Indicators of contract 1.1 on the real engine: refunds by cohort, answers, reviews, certificates,
shipping. Two platforms over midnight in Shanghai, everything on time: provisional is settled.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_driver import Client

from pipelines.core.columns import concat
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run
from schemas.telemetry import SampleType
from tests.integration.pipeline.harness import MINUTE, Row, Session, session_ids
from tests.integration.pipeline.test_settled import Log, same
from tests.integration.pipeline.test_values import MIDNIGHT, stages, told

V, O, C, R = SampleType  # noqa: E741
STEP = 2 * MINUTE
START, END = MIDNIGHT - 40 * MINUTE, MIDNIGHT + 30 * MINUTE
CITY = [
    Session(("p-one", "p-two")[i % 2], one, f"{one[-4:]:0>32}", ("food", "apparel")[i // 2 % 2],
            "310101")
    for i, one in enumerate(session_ids(24, 0))
]  # fmt: skip


def rows_of(session: Session, at: int, rng: random.Random) -> dict[SampleType, list[Row]]:
    when, n, back = at + rng.randrange(STEP), rng.randrange(4), rng.randrange(2)
    viewers = session.row(
        when, viewers=rng.randrange(5, 900), unique_viewers=5, clicks=3, interactions=1
    )
    orders = session.row(
        when, orders=n, paid_fen=n * 900, refunds=back, refunded_fen=back * 900,
        cohort_days=rng.choice([0, 1, 3, 9, 29]) if back else None,
        due_48h=n if rng.random() < 0.9 else None,
        shipped_48h=max(n - 1, 0) if rng.random() < 0.9 else None,
    )  # fmt: skip
    filed = session.row(
        when, code="C01", channel="platform", complaints=1, responded=1,
        response_minutes=rng.randrange(1, 3_000), resolved=1, closed=2,
    )  # fmt: skip
    looked = session.row(
        when, mode="machine", outcome="passed", reviews=rng.randrange(1, 4),
        latency_ms=rng.randrange(50, 70_000),
    )  # fmt: skip
    return {
        V: [viewers],
        O: [orders],
        C: [filed] if rng.random() < 0.3 else [],
        R: [looked] if rng.random() < 0.6 else [],
    }


def write_log() -> Log:
    rng, log = random.Random(3), Log()
    log.broker_ms = START
    for platform in ("p-one", "p-two"):
        for sample in SampleType:
            log.send(sample, [], START, platform)
    for at in range(START, END, STEP):
        log.broker_ms = max(log.broker_ms, at + STEP)
        for platform in ("p-one", "p-two"):
            rows: dict[SampleType, list[Row]] = {sample: [] for sample in SampleType}
            for session in (s for s in CITY if s.platform == platform):
                for sample, some in rows_of(session, at, rng).items():
                    rows[sample] += some
            for sample, some in rows.items():
                log.send(sample, some, at + STEP, platform)
    return log


@pytest.fixture(scope="module")
def reader(clickhouse: Any) -> Iterator[Client]:
    name = "test_values_care"
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"CREATE DATABASE {name}")
        run(admin, name, plan(load(), 0, None))
    with clickhouse.client(name) as client:
        for table, parts in stages(write_log()).items():
            insert(client, table, {n: concat([p[n] for p in parts]) for n in parts[0]})
        yield client
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE {name} SYNC")


@pytest.mark.parametrize("at", [MIDNIGHT - 6 * MINUTE, MIDNIGHT + 19 * MINUTE])
def test_what_contract_1_1_brought_is_the_same_provisional_and_settled(
    reader: Client, at: int
) -> None:
    now, then = told(reader, at, False), told(reader, at, True)
    both = now.keys() & then.keys()
    assert {k[0] for k in both} >= {"I10", "I13", "I14", "I15", "I16", "I18"}
    assert any(k[0] == "I17" for k in both) is (at < MIDNIGHT), "of sessions that began that day"
    for key in both:
        for mine, theirs in zip(now[key], then[key], strict=True):
            assert same(mine, theirs), (key, now[key], then[key])
    assert not then.keys() - now.keys()
