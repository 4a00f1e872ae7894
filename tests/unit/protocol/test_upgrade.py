"""A checkpoint that version 1 wrote, kept as it was: read, upgraded, and guarded."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.agents import legacy
from pipelines.agents.partition import Partition
from pipelines.agents.rollup import RollupStage
from pipelines.agents.stage import Stage
from pipelines.agents.store import Key, StateStore
from pipelines.core.detect import Episode
from pipelines.core.partials import CELLS_TOPIC
from pipelines.core.upgrade import STATE_VERSION, UnknownStateError, upgraded
from schemas.telemetry import SampleType
from tests.unit.protocol.test_crashes import (
    LOGS,
    check_indicators,
    check_partials,
    check_raw,
    fresh,
)
from tests.unit.protocol.world import FakeEvent, Faults, Outlet, World, run, stage_for

FIXTURE = Path(__file__).parent / "fixtures" / "state.v1.json.gz"
KEPT: dict[str, Any] = json.loads(gzip.decompress(FIXTURE.read_bytes()))


def kept(stage: str) -> dict[bytes, bytes]:
    return {base64.b64decode(k): base64.b64decode(v) for k, v in KEPT[stage].items()}


def world_of(stage: str) -> World:
    """Two thirds of the records had been folded when the checkpoint was written."""
    world = fresh() if stage == "fold" else World({CELLS_TOPIC: LOGS[SampleType.VIEWERS.topic][:1]})
    world.changelog.local, world.changelog.kafka = kept(stage), kept(stage)
    return world


def load(world: World, stage: Stage) -> Partition:
    world.generation += 1
    store = StateStore(world.changelog)
    partition = Partition(0, world.generation, stage, store, Outlet(world, Faults()))
    event: Any = FakeEvent(world, next(iter(world.logs.values()))[0])
    ends = dict.fromkeys(stage.topics, 10**6)
    asyncio.run(partition.load(event, dict.fromkeys(stage.topics, 0), ends))
    return partition


def open_episodes(partition: Partition) -> list[Episode]:
    fold: Any = partition.stage
    return list(fold.state.monitor.detector.book.open.values())


def make(stage: str, world: World) -> Stage:
    return stage_for(world) if stage == "fold" else RollupStage(1)


@pytest.mark.parametrize("stage", ["fold", "rollup"])
def test_a_checkpoint_of_version_1_is_upgraded_at_load(stage: str) -> None:
    world = world_of(stage)
    partition = load(world, make(stage, world))
    closed = KEPT["closed" if stage == "fold" else "rollup_closed"]
    assert partition.stage.closed_through == closed
    found = StateStore(world.changelog).newest_head()
    assert found is not None
    head = json.loads(found[1])
    assert head["state_version"] == STATE_VERSION
    minutes = {int(n.partition("/")[2]) for n in head["names"] if n.startswith("minute/")}
    assert minutes
    assert max(minutes) == closed
    left = {k for k in world.changelog.local if Key.decode(k) is None}
    assert left == set(legacy.guard()), "what version 1 wrote is gone but for the guard"


def test_what_was_going_on_is_finished_exactly_after_the_upgrade() -> None:
    world = world_of("fold")
    world.committed = dict(KEPT["committed"])
    world.generation = 1
    partition = load(world, stage_for(world))
    opened = {f["flag_id"] for f in KEPT["flags"]}
    assert [e.onset_ms for e in open_episodes(partition)] == [int(i.split(":")[-1]) for i in opened]
    before = fresh()
    run(before, [], 1)
    # Raw rows and closed minutes of the first two thirds are in the warehouse already.
    world.tables.rows = before.tables.rows
    world.sent = before.sent
    run(world, [], 3)
    # Version 1 did not read reviews: those of minutes that it had closed come late.
    # And not all flags: it knew nothing of frozen values.
    check_raw(world, may_be_late=[SampleType.REVIEWS])
    check_indicators(world)
    check_partials(world)
    spikes = {f.flag_id for f in world.emitted if f.rule == "F01"}
    assert spikes <= opened, "what version 1 had opened goes on under its onset"
    assert all(world.committed[topic] == len(log) for topic, log in world.logs.items())


@pytest.mark.parametrize("stage", ["fold", "rollup"])
def test_a_worker_of_version_1_refuses_what_this_one_wrote(stage: str) -> None:
    """It reads the head under its own keys, highest epoch first; and stops at the version."""
    world = world_of(stage)
    load(world, make(stage, world))
    guard = world.changelog.kafka
    for variant in range(4):
        raw = guard[f"head#{variant}#0".encode()]
        assert int.from_bytes(raw[:8], "little") > 2**40, "above every epoch"
        assert json.loads(raw[20:])["state_version"] != 1
        assert json.loads(raw[20:])["names"] == []


@pytest.mark.parametrize("found", [STATE_VERSION + 1, 0, None, "2"])
def test_an_unknown_version_is_refused_with_advice(found: Any) -> None:
    with pytest.raises(UnknownStateError, match=r"state version .* run the version that wrote it"):
        upgraded("fold", {"state_version": found, "closed_through": 1, "names": []}, {})


def test_a_newer_state_stays_as_it_is_when_an_older_worker_refuses_it() -> None:
    world = world_of("fold")
    load(world, stage_for(world))
    store = StateStore(world.changelog)
    found = store.newest_head()
    assert found is not None
    newer = json.loads(found[1]) | {"state_version": STATE_VERSION + 1}
    store.write("head", found[0] + (1 << 40), json.dumps(newer).encode())
    before = dict(world.changelog.local)
    with pytest.raises(UnknownStateError):
        load(world, stage_for(world))
    assert world.changelog.local == before


def test_steps_are_taken_one_after_the_other() -> None:
    steps = {"s": {1: _add("a"), 2: _add("b")}}
    head, entries = upgraded("s", {"state_version": 1}, {}, steps, 3)
    assert head["state_version"] == 3
    assert list(entries) == ["a", "b"]
    with pytest.raises(UnknownStateError):
        upgraded("other", {"state_version": 1}, {}, steps, 3)


def _add(name: str) -> Any:
    return lambda head, entries: (head, entries | {name: b""})
