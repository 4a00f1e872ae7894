"""Settled figures on the real engine: late rows and corrections, against plain Python.

The first stage runs here as it does in a worker, on a log that is written by hand; what it
stores goes to ClickHouse, and what the views then say is recomputed from the log.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from clickhouse_driver import Client

from pipelines.agents.fold import FoldStage
from pipelines.agents.stage import Record
from pipelines.core.columns import TableColumns, concat
from pipelines.core.fold.clock import ClockPolicy, TopicClock
from pipelines.instruments import Instruments
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, Supersedes, to_headers
from schemas.telemetry import SampleType
from tests.integration.pipeline.harness import (
    MINUTE,
    PARTITIONS,
    Row,
    Session,
    batch_of,
    session_ids,
)

# Recent: raw rows are kept for 30 days.
START = (round(time.time() * 1000) // 3_600_000 - 3) * 3_600_000
MINUTES = 70
V, O, C = SampleType.VIEWERS, SampleType.ORDERS, SampleType.COMPLAINTS  # noqa: E741
R = SampleType.REVIEWS
IDS = session_ids(5, 0)
CITY = [Session("p-one", i, f"{i[-4:]:0>32}", "food", "310101") for i in IDS[:4]]
THEIRS = Session("p-two", IDS[4], "9" * 32, "food", "310101")
UNTOUCHED = CITY[3].id
MEASURES = {
    V: ("viewers", "clicks", "interactions"),
    O: ("orders", "paid_fen", "refunds", "refunded_fen"),
    C: ("complaints",),
    R: ("reviews",),
}


@dataclass
class Entry:
    """A record of the log, in plain words."""

    sample: SampleType
    platform: str
    sequence: int
    rows: list[Row]
    supersedes: Supersedes | None
    record: Record


class Log:
    """Writes records in the order in which the broker has them."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._sequence: dict[tuple[SampleType, str], int] = defaultdict(int)
        self._offset: dict[SampleType, int] = defaultdict(int)
        self.broker_ms = START

    def send(
        self,
        sample: SampleType,
        rows: list[Row],
        until: int,
        platform: str = "p-one",
        supersedes: Supersedes | None = None,
    ) -> Entry:
        number = self._sequence[sample, platform]
        self._sequence[sample, platform] += 1
        ident = BatchIdentity(platform, "gate", 7, sample.topic, 0, number)
        told = ("miscounted", supersedes.text()) if supersedes else ("", "")
        header = BatchHeader(ident, len(rows), until, until, reason=told[0], supersedes=told[1])
        value = encode(batch_of(sample, rows))
        record = Record(sample.topic, 0, 0, 0, value, tuple(to_headers(header)))
        return self.append(Entry(sample, platform, number, rows, supersedes, record))

    def append(self, entry: Entry) -> Entry:
        """At the end of its topic, a moment later: a copy is the same call again."""
        self.broker_ms += 10
        at = self._offset[entry.sample]
        self._offset[entry.sample] += 1
        record = entry.record._replace(offset=at, broker_ms=self.broker_ms)
        self.entries.append(
            Entry(
                entry.sample, entry.platform, entry.sequence, entry.rows, entry.supersedes, record
            )
        )
        return self.entries[-1]


def rows_of(session: Session, minute: int, rng: random.Random) -> dict[SampleType, list[Row]]:
    at = START + minute * MINUTE
    orders = rng.randint(0, 3)
    viewers = [
        session.row(
            at + second * 1000 + rng.randrange(1000),
            viewers=None if rng.random() < 0.1 else rng.randint(0, 900),
            unique_viewers=None,
            clicks=rng.randint(0, 9),
            interactions=None,
        )
        for second in (5, 35)
    ]
    paid = session.row(at + 20_000, orders=orders, paid_fen=orders * 990, refunds=0, refunded_fen=0)
    filed = session.row(at + 30_000, code="C01", channel="platform", complaints=rng.randint(1, 2))
    complaints = [filed] if rng.random() < 0.2 else []
    reviewed = session.row(at + 40_000, mode="human", outcome="passed", reviews=minute % 5)
    return {V: viewers, O: [paid], C: complaints, R: [reviewed]}


def write_log() -> tuple[Log, dict[str, Entry]]:
    """An hour of telemetry, one batch of it late; then corrections of every kind."""
    rng, log, late = random.Random(4), Log(), []
    kept: dict[str, Entry] = {}
    for minute in range(MINUTES):
        until = START + (minute + 1) * MINUTE
        log.broker_ms = max(log.broker_ms, until)
        for session in (*CITY, THEIRS):
            if session is CITY[2] and 20 <= minute < 33:
                continue  # a pause: rows of the indicators end and begin again
            for sample, rows in rows_of(session, minute, rng).items():
                if session is CITY[0] and minute == 12:
                    late.append((sample, rows))
                    continue
                entry = log.send(sample, rows, until, session.platform)
                if session is CITY[1] and minute == 10:
                    kept[sample.value] = entry
    now = START + MINUTES * MINUTE
    for sample, rows in late:
        log.send(sample, rows, now)
    amend(log, kept, now)
    return log, kept


def amend(log: Log, kept: dict[str, Entry], now: int) -> None:
    """Corrections, one of another correction, one of another's session, and copied records."""
    wrong = kept["orders"]
    better = [row | {"orders": 2, "paid_fen": 5_000} for row in wrong.rows]
    first = log.send(O, better, now, supersedes=Supersedes(epoch=7, sequence=wrong.sequence))
    best = [row | {"orders": 1, "paid_fen": 2_500} for row in wrong.rows]
    log.send(O, best, now, supersedes=Supersedes(epoch=7, sequence=first.sequence))
    session, span = CITY[2].id, (START + 40 * MINUTE, START + 45 * MINUTE)
    for sample in (V, C, R):
        log.send(
            sample,
            [],
            now,
            supersedes=Supersedes(session_id=session, from_ms=span[0], to_ms=span[1]),
        )
    again = [CITY[2].row(span[0] + 1, viewers=77, unique_viewers=None, clicks=1, interactions=2)]
    log.send(
        V, again, now, supersedes=Supersedes(session_id=session, from_ms=span[0], to_ms=span[1])
    )
    everything = Supersedes(session_id=CITY[3].id, from_ms=0, to_ms=1 << 45)
    log.send(O, [], now, "p-two", supersedes=everything)
    log.send(O, [], now, "p-two", supersedes=Supersedes(epoch=7, sequence=1))
    log.append(wrong)
    log.append(first)


@pytest.fixture(scope="module")
def log() -> Log:
    return write_log()[0]


@pytest.fixture(scope="module")
def reader(clickhouse: Any, log: Log) -> Iterator[Client]:
    name = "test_settled"
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"CREATE DATABASE {name}")
        run(admin, name, plan(load(), 0, None))
    with clickhouse.client(name) as client:
        store(client, log)
        yield client
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE {name} SYNC")


def store(client: Client, log: Log) -> None:
    stage = FoldStage(0, PARTITIONS, Instruments(), ClockPolicy(idle_ms=10**12))
    stage.load(None, {}, 1 << 40)
    tables: dict[str, list[TableColumns]] = defaultdict(list)
    for entry in log.entries:
        work = stage.fold(entry.record)
        assert work.dead is None
        for rows in (work.raw, work.also):
            if rows is not None:
                tables[rows[0]].append(rows[1])
        clocks = {t.topic: TopicClock(entry.record.broker_ms, True) for t in SampleType}
        for minute in stage.ready(clocks):
            for table, columns in stage.close(minute, entry.record.broker_ms, {}).tables:
                tables[table].append(columns)
    for table, parts in tables.items():
        insert(client, table, {name: concat([p[name] for p in parts]) for name in parts[0]})


# -- the same in plain Python -----------------------------------------------------------------


def settled(log: Log) -> list[tuple[Entry, Row]]:
    """Rows that no later correction of the same platform and topic names; each batch once."""
    first: dict[tuple[SampleType, str, int], Entry] = {}
    for entry in log.entries:
        first.setdefault((entry.sample, entry.platform, entry.sequence), entry)
    order = list(first.values())
    corrections = [(i, e) for i, e in enumerate(order) if e.supersedes]
    out = []
    for i, entry in enumerate(order):
        later = [c for at, c in corrections if at > i]
        out += [(entry, row) for row in entry.rows if not any(hits(c, entry, row) for c in later)]
    return out


def hits(correction: Entry, entry: Entry, row: Row) -> bool:
    what = correction.supersedes
    assert what
    if (correction.sample, correction.platform) != (entry.sample, entry.platform):
        return False
    if not what.session_id:
        return what.sequence == entry.sequence
    return row["session_id"] == what.session_id and what.from_ms <= row["event_time"] < what.to_ms


@dataclass
class Minute:
    orders: int = 0
    paid_fen: int = 0
    complaints: int = 0
    gauges: tuple[tuple[int, int], ...] = ()

    @property
    def milliminutes(self) -> int:
        return 1000 * sum(v for _, v in self.gauges) // max(len(self.gauges), 1)


def by_minute(log: Log) -> dict[tuple[str, int], Minute]:
    out: dict[tuple[str, int], Minute] = defaultdict(Minute)
    for entry, row in settled(log):
        one = out[row["session_id"], row["event_time"] // MINUTE]
        if entry.sample is V:
            if row["viewers"] is not None:
                one.gauges += ((row["event_time"], row["viewers"]),)
        elif entry.sample is O:
            one.orders += row["orders"]
            one.paid_fen += row["paid_fen"]
        elif entry.sample is C:
            one.complaints += row["complaints"]
    return out


def expected(minutes: dict[tuple[str, int], Minute], sessions: set[str], at: int) -> dict[str, Any]:
    """The indicators of some sessions as of minute `at`."""

    def window(width: int, name: str) -> int:
        return sum(
            getattr(one, name)
            for (session, when), one in minutes.items()
            if session in sessions and at - width < when <= at
        )

    now = [one for (session, when), one in minutes.items() if session in sessions and when == at]
    orders, complaints = window(60, "orders"), window(60, "complaints")
    out: dict[str, Any] = {
        "active_1m": sum(bool(one.gauges) for one in now),
        "viewers_1m": sum(max(one.gauges)[1] for one in now if one.gauges),
        "i11_complaints_per_10000_1h": 10_000 * (complaints + 1) / (orders + 1000),
        "complaints_24h": sum(
            one.complaints
            for (session, when), one in minutes.items()
            if session in sessions and when <= at and when // 60 > at // 60 - 24
        ),
    }
    for width in (1, 5, 15, 60):
        orders, paid = window(width, "orders"), window(width, "paid_fen")
        watched = window(width, "milliminutes")
        out |= {
            f"orders_{width}m": orders,
            f"paid_fen_{width}m": paid,
            f"viewer_milliminutes_{width}m": watched,
            f"complaints_{width}m": window(width, "complaints"),
            f"i04_orders_per_min_{width}m": orders / width,
            f"i06_order_value_yuan_{width}m": paid / (100 * orders) if orders else None,
            f"i09_orders_per_1000_viewer_min_{width}m": 1e6 * orders / watched if watched else None,
        }
    return out


def span(first: int, last: int) -> str:
    """Argument list of a settled view: minutes [first, last) from the start."""
    return f"(since = {START // 1000 + 60 * first}, until = {START // 1000 + 60 * last})"


def same(told: Any, mine: Any) -> bool:
    return told is mine if told is None or mine is None else bool(told == pytest.approx(mine, 1e-9))


def read(client: Client, sql: str) -> list[dict[str, Any]]:
    rows, columns = client.execute(sql, with_column_types=True)
    return [dict(zip([c[0] for c in columns], row, strict=True)) for row in rows]


def epoch_minute(row: dict[str, Any]) -> int:
    return round(row["minute"].timestamp()) // 60


def test_raw_rows_stay_and_settled_rows_are_what_is_left(reader: Client, log: Log) -> None:
    left: dict[SampleType, list[Row]] = defaultdict(list)
    sent: dict[tuple[SampleType, str, int], int] = {}
    for entry in log.entries:
        sent[entry.sample, entry.platform, entry.sequence] = len(entry.rows)
    for entry, row in settled(log):
        left[entry.sample].append(row)
    for sample in MEASURES:
        sums = ", ".join(f"sum({m})" for m in MEASURES[sample])
        told = reader.execute(f"SELECT count(), {sums} FROM v_settled_{sample.value}")[0]
        mine = [sum(row[m] or 0 for row in left[sample]) for m in MEASURES[sample]]
        assert [told[0], *(t or 0 for t in told[1:])] == [len(left[sample]), *mine]
        raw = reader.execute(f"SELECT count() FROM v_{sample.value}")[0][0]
        assert raw == sum(n for (s, _, _), n in sent.items() if s is sample)


def test_settled_indicators_are_those_of_plain_python(reader: Client, log: Log) -> None:
    minutes = by_minute(log)
    rows = read(reader, f"SELECT * FROM v_settled_indicators_session{span(0, MINUTES + 5)}")
    assert {r["session_id"] for r in rows} == {s.id for s in (*CITY, THEIRS)}
    for row in rows:
        for name, value in expected(minutes, {row["session_id"]}, epoch_minute(row)).items():
            assert same(row[name], value), (name, row[name], value)
    cells = read(reader, f"SELECT * FROM v_settled_indicators_cell{span(30, 75)}")
    assert len(cells) == 2 * 45
    for row in cells:
        own = {s.id for s in (*CITY, THEIRS) if s.platform == row["platform_id"]}
        for name, value in expected(minutes, own, epoch_minute(row)).items():
            assert same(row[name], value), (name, row[name], value)


def test_provisional_is_settled_where_nothing_was_late_or_corrected(reader: Client) -> None:
    kept = read(reader, f"SELECT * FROM v_settled_indicators_session{span(0, MINUTES - 3)}")
    told = read(reader, "SELECT * FROM v_indicators_session")
    provisional = {(r["session_id"], r["minute"]): r for r in told}
    assert len(told) > 200
    differ: dict[str, int] = defaultdict(int)
    for row in kept:
        other = provisional[row["session_id"], row["minute"]]
        for name, value in row.items():
            if name in other and other[name] != value:
                assert other[name] is None or value is None or abs(other[name] - value) > 1e-9
                differ[row["session_id"]] += 1
    assert set(differ) == {s.id for s in (*CITY, THEIRS)} - {UNTOUCHED}


def test_each_correction_is_in_the_audit_with_before_and_after(reader: Client) -> None:
    rows = read(reader, "SELECT * FROM v_corrections ORDER BY topic DESC, broker_time")
    assert len(rows) == 8
    reviewed = [r for r in rows if r["topic"] == R.topic]
    assert [(r["rows_withdrawn"], r["before"]) for r in reviewed] == [(5, {"reviews": 10})]
    orders = [r for r in rows if r["topic"] == O.topic and r["platform_id"] == "p-one"]
    assert [r["rows_withdrawn"] for r in orders] == [1, 1]
    assert orders[0]["after"]["paid_fen"] == orders[1]["before"]["paid_fen"] == 5_000
    assert orders[1]["after"]["paid_fen"] == 2_500
    views = [r for r in rows if r["topic"] == V.topic]
    assert [r["rows_withdrawn"] for r in views] == [10, 0]
    assert views[1]["after"]["viewers"] == 77
    others = [r for r in rows if r["platform_id"] == "p-two"]
    assert {r["kind"]: r["rows_withdrawn"] for r in others} == {"session": 0, "batch": 1}
    assert {r["reason"] for r in rows} == {"miscounted"}


def test_completeness_by_five_minutes_adds_up(reader: Client) -> None:
    totals = (
        "SELECT platform_id, topic, max(batches), max(rows), max(duplicates), max(late_rows) "
        "FROM v_completeness GROUP BY platform_id, topic ORDER BY platform_id, topic"
    )
    spans = (
        "SELECT platform_id, topic, sum(batches), sum(rows), sum(duplicates), sum(late_rows) "
        "FROM v_completeness_5m GROUP BY platform_id, topic ORDER BY platform_id, topic"
    )
    told = reader.execute(spans)
    assert len(told) > 3
    assert told == reader.execute(totals)
    skews = "SELECT min(skew_low_ms), max(skew_high_ms) FROM v_completeness"
    low, high = reader.execute(skews)[0]
    assert low < 0
    assert high < 0  # the log's broker has everything a moment later


def test_a_flag_that_opens_in_a_silence_is_muted_and_says_by_what(reader: Client) -> None:
    onsets: dict[str, int] = {}

    def put(name: str, event: str, kind: str, entity: str, platform: str, minute: int) -> None:
        at = START + minute * MINUTE
        onset = onsets.setdefault(name, at)  # the id of a flag names it: all its events have it
        reader.execute(
            "INSERT INTO flag_events (flag_id, event, grade, rule, entity_type, entity, "
            "platform_id, onset, event_time, decided_at) SELECT %(n)s, %(e)s, 'raised', "
            "substring(%(n)s, 1, 3), %(k)s, %(i)s, %(p)s, fromUnixTimestamp64Milli(%(o)s), "
            "fromUnixTimestamp64Milli(%(t)s), now()",
            {"n": name, "e": event, "k": kind, "i": entity, "p": platform, "t": at, "o": onset},
        )

    put("F11:gap", "opened", "platform", "quiet", "quiet", 10)
    put("F11:gap", "cleared", "platform", "quiet", "quiet", 20)
    put("F11:still", "opened", "session", "s1", "other", 10)
    for name, kind, entity, platform, minute in (
        ("F01:before", "merchant", "m", "quiet", 9),
        ("F01:within", "merchant", "m", "quiet", 15),
        ("F01:after", "merchant", "m", "quiet", 21),
        ("F01:same session", "session", "s1", "other", 15),
        ("F01:other session", "session", "s2", "other", 15),
    ):
        put(name, "opened", kind, entity, platform, minute)
    muted = reader.execute(
        "SELECT flag_id, muted_by FROM v_flags WHERE muted AND platform_id IN ('quiet', 'other')"
    )
    assert set(muted) == {("F01:within", "F11:gap"), ("F01:same session", "F11:still")}


def test_the_audit_names_the_flags_whose_windows_it_touches(reader: Client) -> None:
    touched, elsewhere = CITY[2].id, CITY[3].id
    for name, session, onset in (
        ("F01:hit", touched, 38), ("F01:other session", elsewhere, 38), ("F01:later", touched, 60),
    ):  # fmt: skip
        at = START + onset * MINUTE
        row = (name, "opened", "raised", "F01", "session", session, "p-one", at, at, at, 300)
        reader.execute(
            "INSERT INTO flag_events (flag_id, event, grade, rule, entity_type, entity, "
            "platform_id, onset, event_time, decided_at, window_s) "
            "SELECT x.1, x.2, x.3, x.4, x.5, x.6, x.7, fromUnixTimestamp64Milli(x.8), "
            "fromUnixTimestamp64Milli(x.9), fromUnixTimestamp64Milli(x.10), x.11 "
            "FROM (SELECT %(row)s AS x)",
            {"row": row},
        )
    sql = "SELECT topic, flag_ids FROM v_corrections WHERE notEmpty(flag_ids)"
    found = reader.execute(sql)
    assert {tuple(ids) for _, ids in found} == {("F01:hit",)}
