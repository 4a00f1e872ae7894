"""Decisions of the operator's program that need no running system."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.errors import UsageError
from deploy.operations import changelog, erasures, retention, tables
from deploy.operations.backup import pack, unpack
from deploy.operations.changelog import Checkpoint, Raw, checkpoint_of, lanes
from deploy.operations.doctor import FREE_SHARE, _free
from deploy.shanghai import shown
from pipelines.agents.stage import version_of
from pipelines.agents.store import IncompleteCopyError, Key, StateStore
from pipelines.topics import AUDIT_TOPIC, DAY_MS, LEDGER_TOPIC, bounds_ms, specs
from pipelines.warehouse import completeness, hours
from pipelines.warehouse.migrate import Step, load

UNITS = {"DAY": 1, "YEAR": 365}
NOW = datetime(2026, 11, 25, 4, 0, 30, tzinfo=UTC)


def tables_declared() -> set[str]:
    sql = "\n".join(m.up for m in load())
    return set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", sql))


def test_of_each_table_it_is_said_whether_an_erasure_reaches_it() -> None:
    assert tables_declared() == erasures.ERASE.keys() | erasures.KEEP.keys()
    assert not erasures.ERASE.keys() & erasures.KEEP.keys()


def test_a_backup_leaves_out_what_is_filled_again_and_nothing_else() -> None:
    sql = "\n".join(m.up for m in load())
    by_views = set(re.findall(r"CREATE MATERIALIZED VIEW \w+ TO (\w+)", sql))
    kept = completeness.KEPT.keys() | {one.table for one in hours.KEPT.values()}
    assert by_views | kept == tables.DERIVED


def test_each_table_has_the_retention_that_is_declared() -> None:
    assert tables_declared() == retention.DECLARED.keys()
    for migration in load():
        for statement in Step(migration, True).statements("any"):
            name = re.search(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", statement)
            if name:
                ttl = re.search(r"TTL .*\+ INTERVAL (\d+) (DAY|YEAR)", statement)
                days = int(ttl[1]) * UNITS[ttl[2]] if ttl else retention.FOR_EVER
                assert retention.DECLARED[name[1]] == days, name[1]
    published = {"published_days", "published_cells"}
    assert {n for n, d in retention.DECLARED.items() if d == retention.FOR_EVER} == published


def test_the_ttl_is_read_as_the_engine_prints_it() -> None:
    assert retention.ttl_days("... TTL toDateTime(event_time) + toIntervalDay(30) SETTINGS") == 30
    assert retention.ttl_days("... TTL toDateTime(onset) + toIntervalYear(3) SETTINGS") == 1095
    assert retention.ttl_days("ENGINE = MergeTree ORDER BY a") == retention.FOR_EVER


def test_every_topic_says_how_long_it_keeps_what() -> None:
    bounds = bounds_ms("livewatch", 8)
    for spec in specs("livewatch", 8):
        assert spec.config["cleanup.policy"] in {"delete", "compact"}
        record = spec.name in {LEDGER_TOPIC, AUDIT_TOPIC}  # DOMAIN section 4: 3 years
        assert 0 < bounds[spec.name] <= (3 * 365 + 1 if record else 31) * DAY_MS
    # A segment that is never full must not hold its oldest record for ever.
    assert all(int(s.config["segment.ms"]) <= DAY_MS for s in specs("livewatch", 8))


def test_an_erasure_reaches_to_the_end_of_its_minute() -> None:
    asked = erasures.request("p-one", "", "why", "who", NOW)
    assert asked.before == datetime(2026, 11, 25, 4, 1, tzinfo=UTC)
    on_the_minute = erasures.request("p-one", "", "why", "who", NOW.replace(second=0))
    assert on_the_minute.before == asked.before


@pytest.mark.parametrize(("platform", "reason"), [("", "why"), (" ", "why"), ("p-one", " ")])
def test_an_erasure_without_platform_or_reason_is_refused(platform: str, reason: str) -> None:
    with pytest.raises(UsageError, match="must not be empty"):
        erasures.request(platform, "", reason, "who", NOW)


def test_a_proof_can_be_read_back_for_a_restore(tmp_path: Path) -> None:
    asked = erasures.request("p-one", "s1", "为何", "who", NOW)
    file = tmp_path / "proof.json"
    file.write_text(erasures.Proof(asked).text(), "utf-8")
    assert erasures.from_proofs([file]) == [asked]
    file.write_text("{}")
    with pytest.raises(UsageError, match="not a proof"):
        erasures.from_proofs([file])


def checkpoint() -> Checkpoint:
    head = {
        "names": ["a", "big"],
        "epoch": 3,
        "positions": {"t1": [7, 1000], "t2": [9, 2000]},
        "folded_at_close": [[5, {"t1": 6, "t2": 8}]],
    }
    return Checkpoint(3, head, {"a": b"x", "big": b"y" * 2_000_000})


def stored(one: Checkpoint) -> Raw:
    raw = Raw()
    store = StateStore(raw)
    for name, value in one.entries.items():
        store.write(name, version_of(one.epoch, 4), value)
    store.write("head", version_of(one.epoch, 4), json.dumps(one.head).encode())
    return raw


def test_a_checkpoint_is_read_as_a_worker_wrote_it_and_packed_and_unpacked(tmp_path: Path) -> None:
    one = checkpoint()
    assert checkpoint_of(stored(one)) == one
    file = tmp_path / "x.zip"
    file.write_bytes(pack(one))
    assert unpack(file, 3) == one


def test_an_entry_that_is_not_whole_is_noticed() -> None:
    raw = stored(checkpoint())
    del raw.values[Key("big", version_of(3, 4), 1).encode()]
    with pytest.raises(IncompleteCopyError, match="big"):
        checkpoint_of(raw)
    assert checkpoint_of(Raw()) is None


def test_a_higher_epoch_wins_over_what_lies_there() -> None:
    raw = stored(checkpoint())
    store = StateStore(raw)
    store.write("a", version_of(9, 0), b"new")
    head = json.dumps({"names": ["a"], "epoch": 9}).encode()
    store.write("head", version_of(9, 0), head)
    found = checkpoint_of(raw)
    assert found is not None
    assert (found.epoch, found.entries) == (9, {"a": b"new"})


def test_topics_made_anew_leave_no_offset_behind() -> None:
    found = checkpoint().for_new_topics(["t1"])
    assert found.positions == {"t2": 9}
    assert found.head["folded_at_close"] == [[5, {"t2": 8}]]
    assert checkpoint().positions == {"t1": 7, "t2": 9}


def test_the_first_stage_is_read_before_the_second() -> None:
    assert [str(lane) for lane in lanes(2)] == ["fold-0", "fold-1", "rollup-0"]
    assert lanes(1)[0].topic("g") == "g-fold-state-changelog"
    assert changelog.INPUTS["rollup"] == ("cells.v1",)


def test_a_disk_is_full_below_the_share() -> None:
    total = 100 * 2**30
    assert not _free("d", int(FREE_SHARE * total) - 1, total).well
    assert _free("d", int(FREE_SHARE * total) + 1, total).well


def test_people_see_shanghai_time_with_its_zone() -> None:
    assert shown(NOW) == "2026-11-25 12:00:30 Asia/Shanghai"
    assert shown(NOW + timedelta(hours=13)) == "2026-11-26 01:00:30 Asia/Shanghai"
    with pytest.raises(ValueError, match="zone"):
        shown(datetime(2026, 11, 25))  # noqa: DTZ001 - it is what must be refused
