"""Whatever is killed, whenever: what readers see is exactly what was sent.

Every effect of a run on the outside (a write to the warehouse, a message, a changelog record)
is a place to die, right before and right after it. All of them are tried.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pytest

from pipelines.agents.stage import Record
from pipelines.core import blob, partials
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, Supersedes, to_headers
from schemas.telemetry import ARROW, SampleType
from tests.unit.protocol.world import (
    MINUTE,
    START,
    Faults,
    Sample,
    World,
    logs_of,
    run,
    session_ids,
)

MINUTES = 16
SOURCES = ("a", "b")
SESSIONS = session_ids(4)


def samples() -> list[Sample]:
    """Two sources, two sessions each; complaints rise, another one's numbers freeze."""
    rng = random.Random(3)
    out = []
    for step in range(MINUTES * 2):
        for i, session in enumerate(SESSIONS):
            at = START + step * MINUTE // 2 + rng.randrange(MINUTE // 2)
            source = SOURCES[i % 2]
            viewers = rng.randint(0, 500)
            if i == 2 and 4 <= step < 30:
                viewers = 300  # and as many clicks and interactions: minutes 2 to 14 stand still
            out.append(Sample(SampleType.VIEWERS, source, session, at, viewers))
            out.append(Sample(SampleType.ORDERS, source, session, at, rng.randint(0, 3)))
            if i == 1 and 8 <= step < 20:
                out.append(Sample(SampleType.COMPLAINTS, source, session, at, 2))
            if i < 2 and step % 3 == 0:
                out.append(Sample(SampleType.REVIEWS, source, session, at, 1 + step % 5))
    return out


DATA = samples()


LOGS = logs_of(DATA, MINUTES, SOURCES)


def correct(log: list[Record], sequence: int, withdrawn: int) -> None:
    """Source "a" withdraws a batch of orders, at the end of the log."""
    ident = BatchIdentity("p01", "a", 1, SampleType.ORDERS.topic, 0, sequence)
    what = Supersedes(epoch=1, sequence=withdrawn).text()
    until = log[-1].broker_ms
    header = BatchHeader(ident, 0, until, until, True, what, "duplicate")
    value = encode(pa.RecordBatch.from_pylist([], ARROW[SampleType.ORDERS]))
    headers = tuple(to_headers(header))
    log.append(Record(ident.topic, 0, len(log), until + 10, value, headers))


ORDERS = LOGS[SampleType.ORDERS.topic]
correct(ORDERS, len(ORDERS) // len(SOURCES), 3)


def fresh() -> World:
    return World(LOGS)


def truth() -> dict[tuple[int, str], dict[str, int]]:
    """Sums by minute and session straight from the samples: an oracle of its own."""
    out: dict[tuple[int, str], dict[str, int]] = defaultdict(Counter)
    for s in DATA:
        key = (s.at_ms // MINUTE * 60, s.session)
        if s.type is SampleType.ORDERS:
            out[key]["orders"] += s.value
        elif s.type is SampleType.COMPLAINTS:
            out[key]["complaints"] += s.value
        elif s.type is SampleType.VIEWERS:
            out[key]["samples"] += 1
    return out


TRUTH = truth()


def check(world: World) -> None:
    check_raw(world)
    check_indicators(world)
    check_partials(world)
    check_flags(world)
    corrections = world.tables.rows["corrections"].values()
    assert [(c["kafka_offset"], c["target_sequence"]) for c in corrections] == [
        (len(ORDERS) - 1, 3)
    ]
    for topic, log in world.logs.items():
        assert world.committed[topic] == len(log), "the commit stands still"


def check_raw(world: World, may_be_late: Collection[SampleType] = ()) -> None:
    for kind in SampleType:
        rows = world.tables.rows.get(f"raw_{kind.value}", {})
        assert len(rows) == sum(s.type is kind for s in DATA)
        name = kind.value  # the first measure of each
        total = sum(s.value for s in DATA if s.type is kind)
        assert sum(r[name] for r in rows.values()) == total
        assert kind in may_be_late or not any(r["late"] for r in rows.values())


def check_indicators(world: World) -> None:
    rows = world.tables.rows["indicators_session"]
    by_key = {(minute, session.decode()): row for (minute, _, session), row in rows.items()}
    for (minute, session), sums in TRUTH.items():
        row = by_key[minute, session]
        assert row["orders_1m"] == sums["orders"]
        assert row["complaints_1m"] == sums["complaints"]
        for width in (5, 15, 60):
            window = [TRUTH.get((m, session), {}) for m in range(minute, minute - 60 * width, -60)]
            assert row[f"orders_{width}m"] == sum(w.get("orders", 0) for w in window)
            assert row[f"complaints_{width}m"] == sum(w.get("complaints", 0) for w in window)
        assert row["orders_24h"] == row["orders_60m"]


def check_partials(world: World) -> None:
    """What the next stage would end with: the closed partial of the highest version."""
    best: dict[int, partials.Partial] = {}
    for message in world.sent:
        partial = partials.decode(message)
        old = best.get(partial.minute)
        if partial.closed and (old is None or partial.version >= old.version):
            best[partial.minute] = partial
    by_minute: dict[int, int] = Counter()
    for (minute, _), sums in TRUTH.items():
        by_minute[minute // 60] += sums["orders"]
    for minute, orders in by_minute.items():
        assert best[minute].cells.values["orders"].sum() == orders


def check_flags(world: World) -> None:
    """The rise is one flag and so is the freeze, however often the process died meanwhile."""
    ids = {f.flag_id for f in world.emitted}
    onset = START + 2 * MINUTE
    assert f"F11:session/p01/{SESSIONS[2]}:{onset}" in ids
    assert sorted(i.split(":")[0] for i in ids) == ["F01", "F11"], ids
    assert {(f.rule, f.event) for f in world.emitted if f.rule == "F11"} == {
        ("F11", "opened"),
        ("F11", "cleared"),
    }
    content: dict[tuple[str, str, str], Any] = {}
    for flag in world.emitted:
        key = (flag.flag_id, flag.event, flag.grade)
        assert content.setdefault(key, flag).observed == flag.observed
    assert any(f.grade != "watch" for f in world.emitted)


def count_effects(seed: int) -> int:
    world = fresh()
    effects = run(world, [], seed)
    check(world)
    return effects


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_a_crash(seed: int) -> None:
    assert count_effects(seed) > 100


@pytest.mark.timeout(900)
def test_a_crash_at_every_single_effect() -> None:
    """Before each; right after one is as before the next: nothing else happens in between."""
    effects = count_effects(7)
    for at in range(1, effects + 1):
        world = fresh()
        run(world, [Faults(at, after=at == effects)], 7)
        check(world)


@pytest.mark.parametrize("seed", range(25))
def test_crash_after_crash(seed: int) -> None:
    rng = random.Random(seed)
    faults = [Faults(rng.randint(1, 150), rng.random() < 0.5) for _ in range(rng.randint(2, 6))]
    world = fresh()
    run(world, faults, seed)
    check(world)


@pytest.mark.parametrize("seed", range(100, 110))
def test_crash_after_crash_where_every_entry_has_pieces(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry cut off in the middle of being written over is still what it was."""
    monkeypatch.setattr(blob, "MAX_PIECE", 300)
    rng = random.Random(seed)
    total = count_effects(seed)
    faults = [Faults(rng.randint(1, total), rng.random() < 0.5) for _ in range(rng.randint(2, 6))]
    world = fresh()
    run(world, faults, seed)
    check(world)
