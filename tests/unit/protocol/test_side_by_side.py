"""A look runs beside a commit: whatever turns they take, wherever both die, all is the same."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from pipelines.agents.partition import Partition
from pipelines.agents.records import record_of
from pipelines.agents.stage import Stage
from pipelines.agents.store import StateStore
from tests.unit.protocol import world as the_world
from tests.unit.protocol.test_crashes import check, fresh
from tests.unit.protocol.world import MINUTE, START, Changelog, Faults, World, run


async def both(partition: Partition, now_ms: int, ends: dict[str, int], *, force: bool) -> None:
    """A commit with looks beside it; raises what the first of them died of."""

    async def look() -> None:
        for _ in range(3):
            await partition.look(now_ms)
            await asyncio.sleep(0)

    work = (partition.commit(now_ms, ends, 10, force=force), look())
    for ended in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended


async def live(world: World, faults: Faults, rng: random.Random, stage: Stage) -> None:
    """One life of a process, as `world.run_process`, with looks and commits at the same time."""
    world.generation += 1
    world.changelog.faults = faults
    outlet = the_world.Outlet(world, faults)
    partition = Partition(0, world.generation, stage, StateStore(world.changelog), outlet)
    ends = {topic: len(log) for topic, log in world.logs.items()}
    first = the_world.FakeEvent(world, next(iter(world.logs.values()))[0])
    await partition.load(first, dict.fromkeys(ends, 0), ends)
    now_ms = START + 60 * MINUTE
    for record in the_world._arrivals(world, rng):
        event = the_world.FakeEvent(world, record)
        partition.receive(event, record_of(event), 0.0)
        if rng.random() < 0.15:
            await both(partition, now_ms, ends, force=rng.random() < 0.5)
    for _ in range(20):
        await both(partition, now_ms, ends, force=True)


@pytest.fixture(autouse=True)
def _slow_changelog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka takes a turn or more for each write, so that the other one comes in between."""
    rng, deliver = random.Random(1), Changelog._deliver

    async def slowly(self: Changelog, sent: list[Any]) -> None:
        for one in sent:
            for _ in range(rng.randint(0, 2)):
                await asyncio.sleep(0)
            await deliver(self, [one])

    monkeypatch.setattr(Changelog, "_deliver", slowly)
    monkeypatch.setattr(the_world, "run_process", live)


def test_without_a_crash() -> None:
    world = fresh()
    run(world, [], 1)
    check(world)


@pytest.mark.parametrize("seed", range(8))
def test_crash_after_crash(seed: int) -> None:
    rng = random.Random(seed)
    faults = [Faults(rng.randint(1, 200), rng.random() < 0.5) for _ in range(rng.randint(2, 6))]
    world = fresh()
    run(world, faults, seed)
    check(world)
