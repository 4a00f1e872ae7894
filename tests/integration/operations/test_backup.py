"""A backup taken while all runs; brought back where Kafka is still there, and where it is not."""

from __future__ import annotations

import functools
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.detect import DEFAULT_POLICY
from pipelines.topics import specs
from schemas.telemetry import SampleType
from tests.integration.operations.conftest import Ops
from tests.integration.pipeline.city import hello, merged, minute_rows, recent, sessions, sources
from tests.integration.pipeline.harness import MINUTE, PARTITIONS, Pipeline, Sender, Source

BEFORE, AFTER = 12, 8
# What a table says of the writing and not of what was written.
SHOWN = {
    "v_viewers": "stored_at",
    "v_orders": "stored_at",
    "v_complaints": "stored_at",
    "v_reviews": "stored_at",
    "v_sessions": "first_seen",
    "v_indicators_session": "closed",
    "v_indicators_cell": "closed",
}
# A flag is decided while its bin is open, so what it had seen by then depends on when it looked;
# which flags there are does not.
FLAGS = "SELECT flag_id, entity, platform_id, onset FROM v_flags ORDER BY ALL"


class City:
    """Minutes of the small city, one after the other; one session's complaints rise."""

    def __init__(self, pipeline: Pipeline, sender: Sender) -> None:
        self.pipeline, self.sender = pipeline, sender
        # Whole bins of the detector: what is told must not depend on the minute of the hour.
        bin_ms = DEFAULT_POLICY.bin_ms
        self.start = self.at = recent(BEFORE + AFTER + 20) // bin_ms * bin_ms
        self.gates: dict[str, Source] = sources(sender, self.start)
        self.rng = random.Random(11)
        hello(pipeline, sender, list(self.gates.values()))

    def go_on(self, minutes: int, filed: int = 0) -> None:
        """`filed`: complaints a minute of the first session of each platform."""
        for _ in range(minutes):
            for platform, gate in self.gates.items():
                mine = [s for s in sessions() if s.platform == platform]
                rise = {mine[0].id: filed}
                parts = [
                    minute_rows(s, self.at, self.rng, functools.partial(rise.get, s.id, 0))
                    for s in mine
                ]
                gate.step(self.at + MINUTE, merged(parts))
            self.at += MINUTE
        self.sender.flush()

    def goodbye(self) -> None:
        for gate in self.gates.values():
            gate.goodbye()
        self.sender.flush()

    def closed_through(self, minutes_back: int) -> bool:
        """Have all partitions and the cells closed all but the last so many minutes?"""
        last = self.at // 1000 - minutes_back * 60
        by_session = "SELECT max(minute) AS m FROM v_indicators_session GROUP BY session_id"
        cells = "SELECT max(minute) AS m FROM v_indicators_cell WHERE closed"
        sql = f"SELECT toUnixTimestamp(min(m)) FROM ({by_session} UNION ALL {cells})"
        return bool(self.pipeline.query(sql)[0][0] >= last)


@pytest.fixture(scope="module")
def city(pipeline: Pipeline, sender: Sender) -> City:
    return City(pipeline, sender)


@pytest.fixture(scope="module")
def kept(ops: Ops, city: City, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup made while the worker folds."""
    directory = tmp_path_factory.mktemp("backups") / "one"
    city.go_on(BEFORE)
    ops.wait("half is closed", lambda: city.closed_through(BEFORE // 2), 60)
    ops("backup", str(directory))
    return directory


@pytest.fixture(scope="module")
def uninterrupted(ops: Ops, city: City, kept: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What readers see of a run that was never stopped; the worker is stopped after it."""
    city.go_on(2)
    city.go_on(AFTER - 2, filed=40)
    city.goodbye()
    ops.wait("all is closed", lambda: city.closed_through(0))
    # A minute's flags are told after its figures: until they are, and nothing more comes.
    ops.wait("the spike is flagged", lambda: bool(ops.pipeline.query(FLAGS)))
    before: dict[str, list[tuple[Any, ...]]] = {}
    while (seen := shown(ops)) != before:
        before = seen
        time.sleep(5)
    ops.stop_worker()
    return seen


def shown(ops: Ops) -> dict[str, list[tuple[Any, ...]]]:
    """All that readers see."""
    seen = {table: ops.all_rows(table, out) for table, out in SHOWN.items()}
    return seen | {"flags": ops.pipeline.query(FLAGS)}


def test_a_backup_says_what_it_holds_and_that_it_is_whole(ops: Ops, kept: Path) -> None:
    assert "is whole" in ops("check-backup", str(kept))
    found = json.loads((kept / "manifest.json").read_text())
    assert found["schema_number"] > 0
    assert len(found["lanes"]) == PARTITIONS + 1
    assert all(len(f["sha256"]) == 64 for f in found["files"])
    assert {p.name for p in kept.parent.iterdir()} == {"one"}  # nothing half-made is left


def test_a_backup_is_not_written_over_another(ops: Ops, kept: Path) -> None:
    done = ops.try_it("backup", str(kept))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "exists" in done.stderr


def test_one_changed_byte_is_found_before_anything_is_touched(
    ops: Ops, kept: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(kept, copy)
    victim = sorted((copy / "tables").glob("raw_orders.*"))[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    done = ops.try_it("restore", str(copy), "--force")
    assert done.returncode == 1
    assert "checksum" in done.stderr
    assert ops.pipeline.query("SELECT count() > 0 FROM raw_orders") == [(1,)]


def test_restore_waits_for_no_worker_and_asks_before_it_replaces(
    ops: Ops, kept: Path, uninterrupted: dict[str, Any]
) -> None:
    done = ops.try_it("restore", str(kept))
    assert done.returncode == 1
    assert "--force" in done.stderr


def test_after_a_restore_all_is_as_if_nothing_had_happened(
    ops: Ops, city: City, kept: Path, uninterrupted: dict[str, list[tuple[Any, ...]]]
) -> None:
    ops("restore", str(kept), "--force")
    # As of the backup: the later minutes are gone.
    assert len(ops.all_rows("v_viewers", "stored_at")) < len(uninterrupted["v_viewers"])
    ops.pipeline.worker.restart()
    ops.wait("all is closed again", lambda: city.closed_through(0))
    deadline = time.monotonic() + 60
    while (seen := shown(ops)) != uninterrupted and time.monotonic() < deadline:
        time.sleep(1)  # flags come after figures
    for table, rows in uninterrupted.items():
        assert seen[table] == rows, table
    assert seen["flags"] != []


def test_restore_refuses_while_a_worker_runs(ops: Ops, kept: Path) -> None:
    ops.wait("ready", ops.pipeline.worker.ready, 30)
    done = ops.try_it("restore", str(kept), "--force")
    assert done.returncode == 1
    assert "stopped" in done.stderr
    ops.stop_worker()


def test_with_kafka_lost_the_backup_s_figures_are_there_and_new_topics_are_read(
    ops: Ops, city: City, kept: Path, uninterrupted: dict[str, Any]
) -> None:
    pipeline = ops.pipeline
    group = pipeline.worker.env["LIVEWATCH_GROUP"]
    pipeline.kafka.delete_topics(*(s.name for s in specs(group, PARTITIONS)))
    ops.wait_for_topics_gone(group)
    said = ops("restore", str(kept), "--force")
    assert "made anew" in said
    rows = json.loads((kept / "manifest.json").read_text())["files"]
    wanted = sum(f["rows"] for f in rows if f["table"] == "raw_viewers")
    assert pipeline.query("SELECT count() FROM v_viewers") == [(wanted,)]
    old = ops.all_rows("v_orders", "stored_at, late")
    since = city.at
    for gate in city.gates.values():
        gate.sent.clear()
    pipeline.worker.restart()
    city.go_on(6)
    city.goodbye()
    ops.wait("new minutes are closed", lambda: city.closed_through(0))
    new = [(h, r) for g in city.gates.values() for h, rows in g.sent for r in rows]
    mine = sum(h.identity.sample is SampleType.ORDERS for h, _ in new)
    now = ops.all_rows("v_orders", "stored_at, late")
    assert len(now) == len(old) + mine
    assert set(old) <= set(now)
    told = pipeline.query(
        "SELECT sum(orders_1m) FROM v_indicators_cell WHERE minute >= fromUnixTimestamp(%(s)s)",
        s=since // 1000,
    )
    orders = sum(r["orders"] for h, r in new if h.identity.sample is SampleType.ORDERS)
    assert told == [(orders,)]
