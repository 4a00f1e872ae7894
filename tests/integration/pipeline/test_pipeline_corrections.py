"""A correction by HTTP while everything runs: gateway, Kafka, a worker, the engine.

All measures: what is settled changes, what was said at the time stays, and both are told apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.gateway.harness import RunningGateway
from tests.integration.pipeline.harness import MINUTE, Pipeline, Session, session_ids

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
ONE, TWO = (Session("p01", i, "0c" * 16, "food", "310101") for i in session_ids(2, 1))
MEASURES = ("viewers", "orders", "paid_fen", "complaints")
Figures = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Platform:
    """What the platform sees: its client, and the minute that it speaks of, ms."""

    client: httpx.Client
    at: int

    def send(self, sample: str, *rows: dict[str, Any]) -> list[str]:
        answer = self.client.post(f"/v1/samples/{sample}?apart=true", json=list(rows))
        assert answer.status_code == 202, answer.text
        return [b["id"] for b in answer.json()["batches"]]

    def correct(self, sample: str, supersedes: Any, reason: str, **more: Any) -> None:
        body = {"supersedes": supersedes, "reason": reason} | more
        answer = self.client.post(f"/v1/corrections/{sample}", json=body)
        assert answer.status_code == 202, answer.text

    def viewers(self, session: Session, count: int) -> dict[str, Any]:
        return session.row(self.at, viewers=count, unique_viewers=count, clicks=1, interactions=1)

    def orders(self, session: Session, count: int) -> dict[str, Any]:
        fen = 100 * count
        return session.row(self.at, orders=count, paid_fen=fen, refunds=0, refunded_fen=0)

    def complaints(self, session: Session, count: int) -> dict[str, Any]:
        return session.row(self.at, code="C01", channel="platform", complaints=count)


@pytest.fixture
def platform(pipeline: Pipeline, tmp_path: Path) -> Iterator[Platform]:
    gateway = RunningGateway(tmp_path, pipeline.kafka.bootstrap)
    try:
        at = (int(time.time() * 1000) // MINUTE - 3) * MINUTE + 1_000
        with gateway.start().client(gateway.key("p01")) as client:
            yield Platform(client, at)
    finally:
        gateway.end()


def figures(pipeline: Pipeline, view: str, at: int) -> Figures:
    """Measures of the minute by session."""
    names = ", ".join(f"{m}_1m" for m in MEASURES)
    sql = f"SELECT session_id, {names} FROM {view} WHERE toUnixTimestamp(minute) = %(at)s"
    return {row[0]: tuple(row[1:]) for row in pipeline.query(sql, at=at // MINUTE * 60)}


def test_settled_figures_change_and_what_was_said_stays(
    pipeline: Pipeline, platform: Platform
) -> None:
    provisional, settled = "v_indicators_session", "v_settled_minute_session"
    wrong = platform.send("viewers", platform.viewers(ONE, 900))
    platform.send("viewers", platform.viewers(TWO, 20))
    platform.send("orders", platform.orders(ONE, 5), platform.orders(TWO, 2))
    doubled = platform.send("complaints", platform.complaints(ONE, 3))
    platform.send("complaints", platform.complaints(ONE, 1))
    before = {ONE.id: (900, 5, 500, 4), TWO.id: (20, 2, 200, 0)}

    def closed() -> bool:
        assert platform.client.post("/v1/heartbeat").status_code == 202
        sql = f"SELECT countIf(closed) FROM {provisional} WHERE session_id = %(s)s"
        return bool(pipeline.query(sql, s=TWO.id)[0][0])

    pipeline.worker.wait("the minute is closed", closed, 120)
    assert figures(pipeline, provisional, platform.at) == before
    assert figures(pipeline, settled, platform.at) == before

    platform.correct("viewers", {"batches": wrong}, "miscounted", rows=[platform.viewers(ONE, 90)])
    platform.correct("complaints", {"batches": doubled}, "duplicate")
    span = {"session_id": TWO.id, "from": platform.at - MINUTE, "to": platform.at + MINUTE}
    platform.correct("orders", span, "test_data")
    after = {ONE.id: (90, 5, 500, 1), TWO.id: (20, 0, 0, 0)}

    def settled_anew() -> bool:
        return figures(pipeline, settled, platform.at) == after

    pipeline.worker.wait("the settled figures are the corrected ones", settled_anew, 60)
    assert figures(pipeline, provisional, platform.at) == before
    audit = pipeline.query("SELECT kind, reason, rows_withdrawn FROM v_corrections ORDER BY reason")
    assert audit == [
        ("batch", "duplicate", 1),
        ("batch", "miscounted", 1),
        ("session", "test_data", 1),
    ]
