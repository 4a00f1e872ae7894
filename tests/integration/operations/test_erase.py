"""Erased data is gone from tables and state, and neither a restart nor a replay brings it back."""

from __future__ import annotations

import json
import random
import secrets
from pathlib import Path
from typing import Any

import pytest

from deploy.operations.erasures import ERASE, NAMING
from pipelines.topics import ensure, specs
from schemas.telemetry import SampleType
from tests.integration.operations.conftest import Ops
from tests.integration.pipeline.city import hello, merged, minute_rows, recent, sessions, sources
from tests.integration.pipeline.harness import MINUTE, PARTITIONS, Pipeline, Sender, Source

MINUTES = 8
RAW = tuple(f"raw_{t.value}" for t in SampleType)
ONE = next(s for s in sessions() if s.platform == "p-two")
COUNTS = {
    table: f"SELECT countIf(platform_id = 'p-one'), countIf(session_id = '{ONE.id}'), "
    f"countIf(platform_id = 'p-two' AND session_id != '{ONE.id}') "
    # Rows of the kept hours replace nothing: a note says which are read.
    f"FROM {table}{'' if table == 'session_hours' else ' FINAL'} WHERE {NAMING.get(table, 'true')}"
    for table in ERASE
}


def counted(pipeline: Pipeline) -> dict[str, tuple[Any, ...]]:
    """Rows by table: the erased platform's, the erased session's, all others."""
    return {table: pipeline.query(sql)[0] for table, sql in COUNTS.items()}


@pytest.fixture(scope="module")
def stored(pipeline: Pipeline, sender: Sender, ops: Ops) -> dict[str, tuple[Any, ...]]:
    """Rows of a small city, all minutes closed; the worker is stopped."""
    start = recent(MINUTES + 10)
    gates = sources(sender, start)
    hello(pipeline, sender, list(gates.values()))
    rng = random.Random(3)
    for minute in range(MINUTES):
        at = start + minute * MINUTE
        for platform, gate in gates.items():
            mine = [s for s in sessions() if s.platform == platform]
            gate.step(at + MINUTE, merged([minute_rows(s, at, rng, lambda: 1) for s in mine]))
    for gate in gates.values():
        gate.goodbye()
    sender.flush()
    wait_closed(ops, (start + MINUTES * MINUTE) // 1000, [s.id for s in sessions()])
    # Roll-ups take in hours that have ended, and this one has not: what one would write of it.
    pipeline.query(
        "INSERT INTO hour_session (hour, platform_id, session_id, rows, version) "
        "SELECT toStartOfHour(min(minute)), any(platform_id), session_id, count(), 1 "
        "FROM indicators_session FINAL GROUP BY session_id"
    )
    pipeline.query(
        "INSERT INTO session_hours (minute, platform_id, session_id, orders_1m, computed) "
        "SELECT toStartOfHour(min(minute)), any(platform_id), session_id, count(), now64(6) "
        "FROM session_minutes FINAL GROUP BY session_id"
    )
    before = counted(pipeline)
    ops.stop_worker()
    return before


def wait_closed(ops: Ops, last: int, some: list[str]) -> None:
    """Until the cells and these sessions have their minute that ends at `last`, closed."""
    by_session = (
        "SELECT max(minute) AS m FROM v_indicators_session "
        f"WHERE session_id IN {some} GROUP BY session_id"
    )
    cells = "SELECT max(minute) AS m FROM v_indicators_cell WHERE closed"
    sql = f"SELECT toUnixTimestamp(min(m)) FROM ({by_session} UNION ALL {cells})"
    ops.wait("all is closed", lambda: ops.pipeline.query(sql)[0][0] >= last)


@pytest.fixture(scope="module")
def proofs(ops: Ops, stored: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A whole platform is erased, and one session of the other."""
    directory = tmp_path_factory.mktemp("proofs")
    platform, session = directory / "platform.json", directory / "session.json"
    ops("erase", "--platform", "p-one", "--reason", "contract ended", "--proof", str(platform))
    ops(
        *("erase", "--platform", "p-two", "--session", ONE.id, "--by", "officer 7"),
        *("--reason", "request of the streamer", "--proof", str(session)),
    )
    return [platform, session]


def test_the_proof_says_what_went_what_stays_and_until_when_kafka_has_it(
    stored: dict[str, tuple[Any, ...]], proofs: list[Path]
) -> None:
    for file, column in zip(proofs, (0, 1), strict=True):
        proof = json.loads(file.read_text())
        assert {t: c["before"] for t, c in proof["tables"].items()} == {
            table: rows[column] for table, rows in stored.items()
        }
        assert all(rows[column] > 0 for rows in stored.values())
        assert {c["after"] for c in proof["tables"].values()} == {0}
        assert proof["kept"].keys() >= {"flag_events", "indicators_cell"}
        assert "telemetry.viewers.v1" in proof["kafka_gone_by"]
        # The workers have not started since, so their state still names it, and the proof says so.
        assert not proof["whole"]


def test_who_when_and_why_is_on_record(ops: Ops, proofs: list[Path]) -> None:
    said = ops("erasures")
    assert "officer 7: request of the streamer" in said
    assert "Asia/Shanghai" in said


def test_nothing_else_is_touched(ops: Ops, stored: Any, proofs: list[Path]) -> None:
    left = {table: (0, 0, rows[2]) for table, rows in stored.items()}
    assert counted(ops.pipeline) == left


def test_after_a_restart_nothing_is_back_and_the_state_names_none(
    ops: Ops, sender: Sender, stored: Any, proofs: list[Path], tmp_path: Path
) -> None:
    worker = ops.pipeline.worker
    worker.restart()
    # A partition is loaded when something comes for it: one more minute of those who stay.
    gate, at = Source(sender, "p-two", "gate-2", recent(10)), recent(10)
    mine = [s for s in sessions() if s.platform == "p-two" and s.id != ONE.id]
    rows = [minute_rows(s, at, random.Random(9), lambda: 0) for s in mine]
    gate.step(at + MINUTE, merged(rows))
    gate.goodbye()
    sender.flush()
    wait_closed(ops, at // 1000 + 60, [s.id for s in mine])
    ops.stop_worker()
    for table, (platform, session, others) in counted(ops.pipeline).items():
        assert (platform, session, others >= stored[table][2]) == (0, 0, True)
    for number, file in enumerate(proofs):
        one = json.loads(file.read_text())["request"]["erasure_id"]
        again = tmp_path / f"{number}.json"
        ops("erase", "--prove", one, "--proof", str(again))
        assert json.loads(again.read_text())["whole"]


def test_a_replay_from_the_beginning_brings_nothing_back(
    ops: Ops, stored: Any, proofs: list[Path]
) -> None:
    """A new group has neither offsets nor state: it reads all that Kafka has."""
    pipeline, worker = ops.pipeline, ops.pipeline.worker
    left = counted(pipeline)
    group = f"test{secrets.token_hex(4)}"
    ensure(pipeline.kafka.bootstrap, group, PARTITIONS)
    old = worker.env["LIVEWATCH_GROUP"]
    worker.env["LIVEWATCH_GROUP"] = group
    try:
        folded = 2 * len(SampleType) * PARTITIONS * (MINUTES + 2)  # both sources
        worker.restart()
        ops.wait(
            "all is read again",
            lambda: (
                worker.ready()
                and worker.metric("livewatch_records_total") >= folded
                and worker.metric("livewatch_lag_records") == 0
                and worker.metric("livewatch_pending_rows") == 0
            ),
        )
        ops.stop_worker()
        assert counted(pipeline) == left
        assert {rows[:2] for rows in left.values()} == {(0, 0)}
    finally:
        worker.env["LIVEWATCH_GROUP"] = old
        mine = [s.name for s in specs(group, PARTITIONS) if s.name.startswith(group)]
        pipeline.kafka.delete_topics(*mine)


def test_erase_asks_for_a_reason(ops: Ops, stored: Any, tmp_path: Path) -> None:
    done = ops.try_it("erase", "--platform", "p-one", "--proof", str(tmp_path / "none.json"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--reason" in done.stderr
