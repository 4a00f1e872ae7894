"""Indicators of long windows: both stages on a log of two days, against SQL and plain Python.

|-- 1 h --|  ... a day, other sessions ...  |-- 44 min --| midnight of Shanghai |-- 40 min --|

Late rows and corrections are on p-one, none on p-two.
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import quantiles
from typing import Any

import pytest
from clickhouse_driver import Client

from pipelines.agents.fold import FoldStage
from pipelines.agents.rollup import RollupStage
from pipelines.agents.stage import Record
from pipelines.core.columns import TableColumns, concat
from pipelines.core.fold.clock import ClockPolicy, TopicClock
from pipelines.core.partials import CELLS_TOPIC
from pipelines.core.quantiles import EDGES
from pipelines.instruments import Instruments
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run
from schemas.identity import Supersedes
from schemas.telemetry import SampleType
from tests.integration.pipeline.harness import MINUTE, PARTITIONS, Row, Session, session_ids
from tests.integration.pipeline.test_settled import Log, same, settled

V, O, C = SampleType.VIEWERS, SampleType.ORDERS, SampleType.COMPLAINTS  # noqa: E741
HOUR, DAY = 60 * MINUTE, 1_440 * MINUTE
MIDNIGHT = (round(time.time() * 1000) + 8 * HOUR) // DAY * DAY - 8 * HOUR - DAY
STEP = 4 * MINUTE
START, END = MIDNIGHT - 23 * HOUR, MIDNIGHT + 10 * STEP
TIMES = (*range(START, START + HOUR, STEP), *range(MIDNIGHT - 11 * STEP, END, STEP))
GOODS = ("food", "apparel", "cosmetics")
IDS = session_ids(24, 0)
CITY = [
    Session("p-one" if i % 12 < 7 else "p-two", one, f"{one[-4:]:0>32}", GOODS[i % 3], "310101")
    for i, one in enumerate(IDS)
]
"""The first dozen is on air on the first day, the others around midnight."""
AGENCY = {s.id: f"{i % 5:032x}" if i % 4 else None for i, s in enumerate(CITY)}
SCENARIO = {s.id: ("night_food", "first_launch", None)[i % 3] for i, s in enumerate(CITY)}


def row(session: Session, at: int, **measures: Any) -> Row:
    dims = {"mcn_pid": AGENCY[session.id], "scenario": SCENARIO[session.id]}
    return session.row(at, **measures) | dims


def write_log() -> Log:
    rng, log, late, wrong = random.Random(6), Log(), [], []
    log.broker_ms = START
    unique: dict[str, int] = defaultdict(int)
    for number, at in enumerate(TIMES):
        on_air = CITY[:12] if at < START + HOUR else CITY[12:]
        if not number or at - TIMES[number - 1] > HOUR:
            # Both are known, and neither is an hour behind, when a day begins: nothing may be late.
            log.broker_ms = at
            for platform in ("p-one", "p-two"):
                for sample in (V, O, C):
                    log.send(sample, [], at, platform)
        log.broker_ms = max(log.broker_ms, at + STEP)
        for platform in ("p-one", "p-two"):
            rows: dict[SampleType, list[Row]] = {V: [], O: [], C: []}
            for session in (s for s in on_air if s.platform == platform):
                when = at + rng.randrange(STEP)
                unique[session.id] += rng.randrange(40)
                known = rng.random() > 0.1
                rows[V].append(
                    row(
                        session, when, viewers=rng.randrange(900) if known else None,
                        unique_viewers=unique[session.id] if known else None,
                        clicks=rng.randrange(30), interactions=None,
                    )
                )  # fmt: skip
                n = rng.randrange(4)
                paid = n * rng.randrange(500, 9_000)
                rows[O].append(row(session, when, orders=n, paid_fen=paid, refunds=0,
                                   refunded_fen=0))  # fmt: skip
                if rng.random() < 0.02:
                    rows[C].append(row(session, when, code="C01", channel="platform", complaints=2))
            for sample, some in rows.items():
                if platform == "p-one" and number == 20:
                    late.append((sample, some))
                    continue
                entry = log.send(sample, some, at + STEP, platform)
                if sample is O and platform == "p-one" and number in (5, 28):
                    wrong.append(entry)
    for sample, some in late:
        log.send(sample, some, END)
    for entry in wrong:
        better = [r | {"orders": 7, "paid_fen": 70_000} for r in entry.rows]
        log.send(O, better, END, supersedes=Supersedes(epoch=7, sequence=entry.sequence))
    return log


@pytest.fixture(scope="module")
def log() -> Log:
    return write_log()


@pytest.fixture(scope="module")
def reader(clickhouse: Any, log: Log) -> Iterator[Client]:
    name = "test_values"
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"CREATE DATABASE {name}")
        run(admin, name, plan(load(), 0, None))
    with clickhouse.client(name) as client:
        for table, parts in stages(log).items():
            insert(client, table, {n: concat([p[n] for p in parts]) for n in parts[0]})
        yield client
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE {name} SYNC")


def stages(log: Log) -> dict[str, list[TableColumns]]:
    """Both stages as in a worker; what they store, the two stages' values apart."""
    fold = FoldStage(0, PARTITIONS, Instruments(), ClockPolicy(idle_ms=10**12))
    roll = RollupStage(1)
    for stage in (fold, roll):
        stage.load(None, {}, 1 << 40)
    tables: dict[str, list[TableColumns]] = defaultdict(list)
    number = 0
    for entry in log.entries:
        work = fold.fold(entry.record)
        for rows in (work.raw, work.also):
            if rows is not None:
                tables[rows[0]].append(rows[1])
        clocks = {t.topic: TopicClock(entry.record.broker_ms, True) for t in SampleType}
        for minute in fold.ready(clocks):
            out = fold.close(minute, 0, {})
            for table, columns in out.tables:
                tables[table].append(_texts(columns))
            for message in out.messages:
                roll.fold(Record(CELLS_TOPIC, 0, number, 0, message, ()))
                number += 1
            for ready in roll.ready({CELLS_TOPIC: TopicClock(0, True)}):
                for table, columns in roll.close(ready, 0, {}).tables:
                    tables[table].append(_texts(columns))
    return tables


def _texts(columns: TableColumns) -> TableColumns:
    """Session ids as plain texts, so that both stages' rows go into one block."""
    return {
        name: [v.decode() for v in values.tolist()]  # type: ignore[union-attr]
        if getattr(values, "dtype", None) is not None and values.dtype.kind == "S"
        else values
        for name, values in columns.items()
    }


Key = tuple[str, str, str, str, str, str, str]
Figures = dict[Key, tuple[Any, float, float, int]]
COLUMNS = (
    "indicator, window, part, scope, platform_id, category, session_id, "
    "value, numerator, denominator, n"
)


def told(client: Client, at: int, settled_: bool) -> Figures:
    seconds = at // 1000
    source = f"v_settled_indicator_values(at = {seconds})" if settled_ else "v_indicator_values"
    where = "1" if settled_ else f"minute = toDateTime({seconds})"
    rows = client.execute(f"SELECT {COLUMNS} FROM {source} WHERE {where}")
    out = {r[:7]: r[7:] for r in rows}
    assert len(out) == len(rows)
    return out


LAST = MIDNIGHT + 25 * MINUTE - MINUTE
MOMENTS = (MIDNIGHT - 10 * MINUTE - MINUTE, MIDNIGHT + 5 * MINUTE - MINUTE, LAST)
"""Before and just after midnight, and near the end; each the last minute of a bin."""


@pytest.mark.parametrize("at", MOMENTS)
def test_provisional_is_settled_where_nothing_was_late_or_corrected(
    reader: Client, at: int
) -> None:
    now, then = told(reader, at, False), told(reader, at, True)
    mine = {k for k in now.keys() & then.keys() if k[4] == "p-two"}
    kinds = {(k[0], k[3]) for k in mine}
    assert {i for i, _ in kinds} >= {"I03", "I05", "I07", "I08", "I11", "I12", "I19", "I20"}
    assert {("I03", "session"), ("I07", "category"), ("I08", "platform")} <= kinds
    for key in mine:
        for mine_, theirs in zip(now[key], then[key], strict=True):
            assert same(mine_, theirs), (key, now[key], then[key])
    only = {k for k in now.keys() ^ then.keys() if k[4] == "p-two"}
    assert not {k for k in only if (now.get(k) or then[k])[3]}, "a scope that one of them lacks"


def test_late_rows_and_corrections_are_in_the_settled_values_only(reader: Client) -> None:
    now, then = told(reader, LAST, False), told(reader, LAST, True)
    gmv = ("I05", "1d", "", "platform", "p-one", "", "")
    assert now[gmv] != then[gmv]


@pytest.mark.parametrize("at", MOMENTS)
def test_settled_values_are_those_of_plain_python(reader: Client, log: Log, at: int) -> None:
    then = told(reader, at, True)
    rows = [(e.sample, r) for e, r in settled(log) if r["event_time"] < at + MINUTE]
    for scope, platform in (("platform", "p-one"), ("platform", "p-two"), ("city", "")):
        some = [(s, r) for s, r in rows if not platform or _platform(r) == platform]
        for (indicator, window, part), value in expected(some, at).items():
            key = (indicator, window, part, scope, platform, "", "")
            assert same(then[key][0], value), (key, then[key], value)


def _platform(r: Row) -> str:
    return next(s.platform for s in CITY if s.id == r["session_id"])


def expected(rows: list[tuple[SampleType, Row]], at: int) -> dict[tuple[str, str, str], Any]:
    """The values of one scope as of the end of minute `at`."""

    def day(ms: int) -> int:
        return (ms + 8 * HOUR) // DAY

    def total(name: str, sample: SampleType, keep: Any) -> int:
        return sum(r[name] or 0 for s, r in rows if s is sample and keep(r))

    def today(r: Row) -> bool:
        return day(r["event_time"]) == day(at)

    def recent(r: Row) -> bool:
        return r["event_time"] >= at - 14 * MINUTE

    gmv, agencies = total("paid_fen", O, today), defaultdict(int)
    for s, r in rows:
        if s is O and r["mcn_pid"]:
            agencies[_platform(r), r["mcn_pid"]] += r["paid_fen"]
    paid = sorted(agencies.values(), reverse=True)
    clicks = total("clicks", V, recent)
    night = total(
        "paid_fen", O,
        lambda r: today(r) and not 2 <= (r["event_time"] // HOUR + 8) % 24 < 18,
    )  # fmt: skip
    everything = total("orders", O, lambda _: True)
    out = {
        ("I05", "1d", ""): gmv / 100,
        ("I08", "15m", ""): 100 * total("orders", O, recent) / clicks,
        ("I11", "7d", ""): 1e4 * (total("complaints", C, lambda _: True) + 1) / (everything + 1000),
        ("I12", "24h", ""): divergence(rows, at),
        ("I19", "7d", "CR10"): 100 * sum(paid[:10]) / sum(paid),
        ("I19", "7d", "HHI"): 1e4 * sum((p / sum(paid)) ** 2 for p in paid),
        ("I20", "1d", "night"): 100 * night / gmv if gmv else None,
    }
    food = total("paid_fen", O, lambda r: today(r) and r["scenario"] == "night_food")
    if food:
        out["I20", "1d", "night_food"] = 100 * food / gmv
    return out | medians(rows, at)


def divergence(rows: list[tuple[SampleType, Row]], at: int) -> float | None:
    now, before = defaultdict(int), defaultdict(int)
    since = (at // HOUR - 23) * HOUR
    today = (at + 8 * HOUR) // DAY
    orders = 0
    for s, r in rows:
        if s is O and r["event_time"] >= since:
            now[r["category"]] += r["paid_fen"]
            orders += r["orders"]
        if s is O and (r["event_time"] + 8 * HOUR) // DAY < today:
            before[r["category"]] += r["paid_fen"]
    if orders < 100 or not any(before.values()):
        return None
    p = {g: now[g] / sum(now.values()) for g in GOODS}
    q = {g: before[g] / sum(before.values()) for g in GOODS}
    m = {g: (p[g] + q[g]) / 2 for g in GOODS}
    return sum(
        x[g] * math.log2(x[g] / m[g]) / 2 for x in (p, q) for g in GOODS if x[g] > 0
    )  # fmt: skip


def medians(rows: list[tuple[SampleType, Row]], at: int) -> dict[tuple[str, str, str], Any]:
    """The upper edge of the bucket that holds the lower median of the live sessions."""
    live = {
        r["session_id"]
        for s, r in rows
        if s is V and r["viewers"] is not None and r["event_time"] >= at - 4 * MINUTE
    }
    peak, unique, orders = defaultdict(int), defaultdict(int), defaultdict(int)
    for s, r in rows:
        one = r["session_id"]
        if s is V:
            peak[one] = max(peak[one], r["viewers"] or 0)
            unique[one] = max(unique[one], r["unique_viewers"] or 0)
        elif s is O:
            orders[one] += r["orders"]
    figures = {
        "I03": [peak[s] for s in live if peak[s]],
        "I07": [100 * orders[s] / unique[s] for s in live if unique[s]],
    }
    out = {}
    for name, values in figures.items():
        lower = sorted(values)[(len(values) - 1) // 2]
        assert quantiles(values * 2, n=2)  # there are some
        out[name, "session", "p50"] = next((e for e in EDGES[name] if lower <= e), EDGES[name][-1])
    return out
