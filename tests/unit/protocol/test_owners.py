"""The protocol in a small world, every history tried: kills, two owners, deliveries, lost offsets.

The first owner runs for `i` effects and is killed, or paused there. The group moves; its successor
runs for `j` effects; the paused one wakes up, not knowing that it was put out, and does `k` effects
more; the successor goes on, or is killed. A last one finishes with what is in Kafka.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
import structlog

from pipelines.agents.stage import Record
from pipelines.agents.store import IncompleteCopyError
from pipelines.core import upgrade
from tests.unit.protocol.mutants import MUTANTS
from tests.unit.protocol.owners import WINDOW, Broker, Owner, Violation, check, record

# Minute, amount, what is complete. The fourth comes late for a worker that closes for silence.
ROWS = [(1, 1, 1), (2, 1, 1), (2, 1, 2), (2, 1, 2), (3, -1, 3), (6, 1, 6)]
ALL = [record(i, *row) for i, row in enumerate(ROWS)]
FIRST = 3
"""So many are in the topic when the first owner begins."""
CROWDS, MOST_OWNERS = 1_000, 4


@dataclass
class World:
    """How owners are made here, and how much was explored."""

    kinds: dict[str, Any] = field(default_factory=dict)
    histories: int = 0
    states: set[int] = field(default_factory=set)

    def owner(self, broker: Broker, program: Any, **options: Any) -> Owner:
        kinds = dict(self.kinds)
        make = kinds.pop("owner_class", Owner)
        made: Owner = make(broker, program, **kinds, **options)
        return made

    def end(self, broker: Broker, log: list[Record] | None = None, disk: Any = None) -> None:
        """Whatever happened, a last owner finishes and readers see what they should."""
        self.histories += 1
        kept = frozenset(broker.changelog.items())
        self.states.add(hash((kept, broker.committed, len(broker.sent), len(broker.raw))))
        broker.log[:] = ALL if log is None else log
        self.owner(broker, finish, disk=disk).finish()
        check(broker)


def fresh() -> Broker:
    return Broker(ALL[:FIRST])


async def work(owner: Owner) -> None:
    """Read what is there, look, close it (for silence as well), then what came meanwhile."""
    await owner.take_over()
    for offset in range(owner.broker.committed, len(owner.broker.log)):
        owner.offer(offset)
    await owner.look()
    await owner.commit(silence=True)
    for offset in range(owner.next, len(owner.broker.log)):
        owner.offer(offset)
    await owner.commit(silence=True)


async def finish(owner: Owner) -> None:
    """All that is left: closed, and acknowledged to the end."""
    await owner.take_over()
    for offset in range(owner.broker.committed, len(owner.broker.log)):
        owner.offer(offset)
    # A hole before the committed offset is read again, as the worker does it after 2 s.
    for offset in range(owner.next, len(owner.broker.log)):
        owner.offer(offset)
    for _ in range(3):
        await owner.look()
        await owner.commit(silence=True, force=True)


def steps(owner: Owner, n: int) -> bool:
    """Whether there is more to do after `n` effects."""
    done = [owner.step() for _ in range(n)]
    return all(done)


# -- explorations -------------------------------------------------------------------------------


def kills(world: World) -> None:
    """One owner killed at every effect, and its successor too; disk kept or lost."""
    for same_disk, i in product((False, True), range(1000)):
        for j in range(0, 1000, 1 if i % 5 == 0 else 1000):
            broker = fresh()
            first = world.owner(broker, work)
            more = steps(first, i)
            first.kill()
            disk = first.disk.local if same_disk else None
            broker.log[:] = ALL[: FIRST + i % 4]
            second = world.owner(broker, work, disk=disk)
            on = steps(second, j)
            second.kill()
            world.end(broker, disk=second.disk.local if same_disk else None)
            if not on:
                break
        if not more and same_disk:
            return


def two_owners(world: World) -> None:
    """All (i, j, k)."""
    for i, j in _pauses(world):
        for k in range(1, 1000):
            broker = fresh()
            first, second = _pause(world, broker, i, j)
            more = steps(first, k)
            if (i + j + k) % 2:
                second.finish()
            first.kill()
            second.kill()
            world.end(broker)
            if not more:
                break


def _pauses(world: World) -> Iterator[tuple[int, int]]:
    for i, j in product(range(1000), range(1000)):
        first, second = _pause(world, fresh(), i, j)
        if first.done:
            return
        if not second.done:
            yield i, j


def _pause(world: World, broker: Broker, i: int, j: int) -> tuple[Owner, Owner]:
    first = world.owner(broker, work)
    steps(first, i)
    broker.log[:] = ALL[: FIRST + j % 4]
    second = world.owner(broker, work)
    steps(second, j)
    return first, second


def deliveries(world: World) -> None:
    """Four records delivered in any order, some repeated, some left out and read again."""
    for order in product(range(4), repeat=5):

        async def deliver(owner: Owner, order: tuple[int, ...] = order) -> None:
            await owner.take_over()
            for n, offset in enumerate(order):
                owner.offer(offset)
                if n == 2:
                    await owner.commit(force=True)
            for offset in range(owner.next, 4):
                owner.offer(offset)
            await owner.commit(silence=True)

        broker = Broker(ALL[:4])
        world.owner(broker, deliver).finish()
        world.end(broker)


def lost_offsets(world: World) -> None:
    """The group's offsets are lost at every effect of the first owner, and of the second."""
    for i in range(1000):
        broker = fresh()
        first = world.owner(broker, work)
        more = steps(first, i)
        first.kill()
        broker.committed = 0
        broker.log[:] = ALL
        second = world.owner(broker, work)
        steps(second, i // 2)
        second.kill()
        broker.committed = 0
        world.end(broker)
        if not more:
            break


def topic_anew(world: World) -> None:
    """The topic is made anew, shorter or longer, when all of the old one has been read."""
    for length, i in product(range(1, 9), range(40)):
        broker = fresh()
        broker.log[:] = ALL
        world.owner(broker, finish).finish()
        rows = [(7 + n // 3, 1, 7 + n // 3) for n in range(length)]
        log = [record(100 + n, *row, offset=n) for n, row in enumerate(rows)]
        broker.make_anew(log)
        owner = world.owner(broker, work)
        steps(owner, i)
        owner.kill()
        world.end(broker, log)


def restarts(world: World) -> None:
    """An owner is killed; its machine starts it again on the disk that it left, which may be ahead
    of the changelog; that one is paused, another machine goes on, and then it wakes up."""
    for i in range(1000):
        for j in range(1000):
            broker = fresh()
            first = world.owner(broker, work)
            more = steps(first, i)
            first.kill()
            second = world.owner(broker, work, disk=first.disk.local)
            on = steps(second, j)
            broker.log[:] = ALL[: FIRST + j % 4]
            third = world.owner(broker, work)
            steps(third, 1000 if i % 2 else i + j)
            second.finish()
            third.kill()
            world.end(broker)
            if not on:
                break
        if not more:
            return


def crowds(world: World) -> None:
    """Chance, where there are too many histories: up to four owners alive at once, any of which
    takes a step or is killed; the group moves, and loses its offsets, at any time."""
    for seed in range(CROWDS):
        rng = random.Random(seed)
        broker = fresh()
        owners = [world.owner(broker, work)]
        for _ in range(rng.randint(20, 160)):
            if rng.random() < 0.06 and len(owners) < MOST_OWNERS:
                broker.log[:] = ALL[: rng.randint(len(broker.log), len(ALL))]
                owners.append(world.owner(broker, work))
            elif rng.random() < 0.01:
                rng.choice(owners).kill()
            elif rng.random() < 0.005:
                broker.committed = 0
            else:
                owners[-1 if rng.random() < 0.5 else rng.randrange(len(owners))].step()
        for owner in owners:
            owner.kill()
        world.end(broker)


EXPLORATIONS: dict[str, tuple[Callable[[World], None], int]] = {
    "kills": (kills, 3000),
    "two_owners": (two_owners, 1800),
    "deliveries": (deliveries, 4**5),
    "lost_offsets": (lost_offsets, 20),
    "topic_anew": (topic_anew, 320),
    "restarts": (restarts, 290),
    "crowds": (crowds, CROWDS),
}
"""Name -> how, and how many histories it has at least."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No window here reaches further, so entries are outdated and removed within a history."""
    monkeypatch.setattr(upgrade, "RING_MINUTES", WINDOW)
    with structlog.testing.capture_logs():
        yield


@pytest.mark.parametrize("name", EXPLORATIONS)
def test_every_history(name: str) -> None:
    world = World()
    explore, least = EXPLORATIONS[name]
    explore(world)
    print(f"{name}: {world.histories} histories, {len(world.states)} states")  # noqa: T201
    assert world.histories >= least


@pytest.mark.parametrize("name", MUTANTS)
def test_a_protocol_without_one_step_is_caught(name: str) -> None:
    """The exploration is not blind: each step of the protocol is needed for some history."""
    caught_by, kinds = MUTANTS[name]
    with pytest.raises((Violation, IncompleteCopyError)):
        EXPLORATIONS[caught_by][0](World(kinds))


def test_the_owner_that_was_put_out_reaches_the_changelog() -> None:
    """Otherwise two_owners would explore nothing: the paused one does write after the move."""
    broker = fresh()
    first, second = _pause(World(), broker, 4, 6)
    before = dict(broker.changelog)
    first.finish()
    assert broker.changelog != before
    assert broker.generation == second.mine
