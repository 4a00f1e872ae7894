"""A rise everywhere is one alert: both real stages, and the outbox that says who is told.

hours      0 ......... 4 ........ 5
complaints as usual    | x4 everywhere, or x12 at one merchant
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deploy.serving_check.flag_events import value_of
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import ByPolicy, Desk
from pipelines.alerts.take import Incoming, Taker
from pipelines.core.flags import FlagEvent
from pipelines.policy.load import load
from producers.simulate.model import Ticked
from producers.simulate.rows import Shard
from schemas.telemetry import ARROW, SampleType
from tests.unit.rules.city_day import MINUTE, Stages

START = 1_790_000_000_000 // 3_600_000 * 3_600_000
PLATFORMS, SHOPS = ("p01", "p02"), 12
QUIET, RISE = 240, 60
ORDERS, USUAL = 160, 0.2
"""A session's orders and complaints a minute; every merchant has one session."""
TOLD = ("opened", "escalated")
SEEDS = (1,)


def batch(sample: SampleType, platform: int, at_ms: int, values: np.ndarray) -> pa.RecordBatch:
    """A row of each session of a platform that has a value."""
    some, code = np.flatnonzero(values), pa.dictionary(pa.int16(), pa.utf8())
    n, ids = len(some), [f"{platform:02x}{i:030x}" for i in some.tolist()]
    fixed = {
        "district": "310101", "category": "food", "code": "C01", "channel": "platform",
    }  # fmt: skip
    columns = []
    for field in ARROW[sample]:
        if field.name == "event_time":
            columns.append(pa.array([at_ms] * n, field.type))
        elif field.name in fixed:
            columns.append(pa.array([fixed[field.name]] * n).dictionary_encode().cast(code))
        elif field.name == "session_id" or field.name.endswith("_pid"):
            columns.append(pa.array(ids, pa.utf8()))
        elif field.name in ("viewers", "unique_viewers", "orders", "paid_fen", "complaints"):
            columns.append(pa.array(values[some], field.type))
        elif field.name in ("clicks", "interactions", "refunds", "refunded_fen"):
            columns.append(pa.array([0] * n, field.type))
        else:
            columns.append(pa.nulls(n, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=ARROW[sample])


def shards(at_ms: int, complaints: np.ndarray) -> Iterator[Shard]:
    """A minute of all sessions; complaints [platform, session]."""
    everyone = np.ones(SHOPS, np.int64)
    for p in range(len(PLATFORMS)):
        yield Shard(SampleType.VIEWERS, p, 0, batch(SampleType.VIEWERS, p, at_ms, 50 * everyone))
        yield Shard(SampleType.ORDERS, p, 0, batch(SampleType.ORDERS, p, at_ms, ORDERS * everyone))
        if complaints[p].any():
            rows = batch(SampleType.COMPLAINTS, p, at_ms, complaints[p])
            yield Shard(SampleType.COMPLAINTS, p, 0, rows)


@cache
def flags(everywhere: bool, seed: int) -> tuple[FlagEvent, ...]:
    """All F01 events of the run, in the order in which they were told."""
    rng, stages = np.random.default_rng(seed), Stages()
    times = np.full((len(PLATFORMS), SHOPS), 4.0 if everywhere else 1.0)
    if not everywhere:
        times[0, 3] = 12.0
    for minute in range(QUIET + RISE):
        now = times if minute >= QUIET else np.ones_like(times)
        at = START + minute * MINUTE
        told = shards(at + 1_000, rng.poisson(USUAL * now).astype(np.int64))
        stages.take(Ticked(at, at + MINUTE, told), PLATFORMS)
    return tuple(flag for flag in stages.flags if flag.rule == "F01")


def above_watch(events: tuple[FlagEvent, ...]) -> list[FlagEvent]:
    return [one for one in events if one.event in TOLD and one.grade != "watch"]


def delivered(events: tuple[FlagEvent, ...], folder: Path) -> set[str]:
    """Flags that any receiver is owed something about."""
    desks = frozenset({Desk("commission"), *(Desk("platform", p) for p in ("", *PLATFORMS))})
    everyone = Receiver("all", "http://127.0.0.1/", Path("key"), desks)
    box = Outbox(folder / "box", exclusive=True)
    try:
        taker = Taker(box, [everyone], ByPolicy(load(None)), 0)
        records = [Incoming("flags.v1", 0, i, START, value_of(f)) for i, f in enumerate(events)]
        taker.take(records, "topic-1", START)
        found = box.sql.execute("SELECT DISTINCT flag_id FROM deliveries").fetchall()
    finally:
        box.close()
    return {flag for (flag,) in found}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rise_everywhere_is_one_delivered_alert(seed: int, tmp_path: Path) -> None:
    events = flags(everywhere=True, seed=seed)
    city = {f.flag_id for f in events if f.entity_type == "city"}
    assert len(city) == 1
    assert delivered(events, tmp_path) == city


@pytest.mark.parametrize("seed", SEEDS)
def test_its_children_are_linked_up_to_it_sessions_too(seed: int) -> None:
    events = flags(everywhere=True, seed=seed)
    parents = {f.flag_id: f.parent_id for f in events if f.parent_id}
    raised = {f.flag_id: f.entity_type for f in above_watch(events)}
    assert {"platform", "category", "merchant", "session"} <= set(raised.values())
    for flag in raised:
        above = flag
        while above in parents:
            above = parents[above]
        assert above.startswith("F01:city/"), flag


def test_what_opened_before_its_parent_is_attached_once_at_each_grade() -> None:
    events = [f for seed in SEEDS for f in flags(everywhere=True, seed=seed)]
    attached = [(f.flag_id, f.grade, f.onset) for f in events if f.event == "attached"]
    assert attached
    assert {f.entity_type for f in events if f.event == "attached"} >= {"session"}
    for seed in SEEDS:
        mine = [f for f in flags(everywhere=True, seed=seed) if f.event == "attached"]
        assert len({(f.flag_id, f.grade) for f in mine}) == len(mine)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_spike_of_one_merchant_has_no_parent(seed: int, tmp_path: Path) -> None:
    events = flags(everywhere=False, seed=seed)
    hit = f"{0:02x}{3:030x}"
    merchant = [f for f in above_watch(events) if f.entity_type == "merchant"]
    assert {f.entity for f in merchant} == {hit}
    assert all(not f.parent_id for f in events if f.entity == hit)
    assert {f.flag_id for f in merchant} <= delivered(events, tmp_path)
