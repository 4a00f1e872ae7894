"""The pipeline as it runs: a real worker between the real Kafka and the real ClickHouse engine."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pytest

from pipelines.topics import FLAGS_TOPIC
from schemas.batch import encode
from schemas.identity import BatchHeader, Headers, to_headers
from schemas.telemetry import DIMENSIONS, MEASURES, SampleType
from tests.integration.pipeline.city import (
    hello,
    merged,
    minute_rows,
    recent,
    sessions,
    sources,
)
from tests.integration.pipeline.harness import (
    MINUTE,
    Pipeline,
    Row,
    Sender,
    Source,
    batch_of,
    records_of,
    session_ids,
)

MINUTES = 68
SPIKE = range(40, 52)
PRIVATE = "13812345678"
CITY = sessions()
VIEW = {t: f"v_{t.value}" for t in SampleType}


@dataclass
class Bad:
    """A record that must be refused, and what the reason must say."""

    name: str
    header: BatchHeader
    headers: Headers
    value: bytes
    reason: str
    good: list[tuple[int, Row]]
    offset: int = -1


@dataclass
class Hour:
    """What was sent."""

    start: int
    kept: list[tuple[BatchHeader, int, Row]]
    bad: list[Bad]
    again: BatchHeader


@pytest.fixture(scope="module")
def hour(pipeline: Pipeline, sender: Sender) -> Hour:
    start = recent(MINUTES + 10)
    gates = sources(sender, start)
    broken = Source(sender, "p-one", "broken", start)
    hello(pipeline, sender, [*gates.values(), broken])
    rng = random.Random(11)
    bad: list[Bad] = []
    for minute in range(MINUTES):
        at = start + minute * MINUTE
        for platform, gate in gates.items():
            mine = [s for s in CITY if s.platform == platform]
            parts = [minute_rows(s, at, rng, lambda: 0) for s in mine if s is not CITY[0]]
            if platform == CITY[0].platform:
                filed = 10 if minute in SPIKE else 0
                parts.append(minute_rows(CITY[0], at, rng, lambda n=filed: n))
            gate.step(at + MINUTE, merged(parts))
        if minute == MINUTES // 2:
            bad = send_bad(sender, broken, at)
            broken.goodbye()
    again = send_again(sender, gates["p-two"])
    for gate in gates.values():
        gate.goodbye()
    sender.flush()
    last = (start + MINUTES * MINUTE) // 1000
    newest = "SELECT toUnixTimestamp(max(minute)) FROM {} WHERE closed"
    pipeline.worker.wait(
        "all minutes closed",
        lambda: all(
            pipeline.query(newest.format(t))[0][0] >= last
            for t in ("v_indicators_session", "v_indicators_cell")
        ),
        60,
    )
    kept = [(h, i, row) for g in gates.values() for h, rows in g.sent for i, row in enumerate(rows)]
    kept += [(b.header, i, row) for b in bad for i, row in b.good]
    kept += [(h, i, row) for h, rows in broken.sent for i, row in enumerate(rows)]
    return Hour(start, kept, bad, again)


def send_again(sender: Sender, gate: Source) -> BatchHeader:
    """The first batch of orders with rows once more: same identity, new offset."""
    sent = next((h, r) for h, r in gate.sent if r and h.identity.sample is SampleType.ORDERS)
    sender.send(sent[0], encode(batch_of(SampleType.ORDERS, sent[1])))
    return sent[0]


def send_bad(sender: Sender, source: Source, at: int) -> list[Bad]:
    """Bad records of every kind, each with a good record right behind it."""
    out = []
    for make in (no_header, not_arrow, strange_column, from_the_future, unknown_code, foreign):
        bad = make(source, at)
        future = sender.send(bad.header, bad.value, bad.headers)
        source.send(SampleType.VIEWERS, 0, viewers_rows(at + 1_000 * len(out), 1))
        bad.offset = future.get(30).offset
        out.append(bad)
    return out


def viewers_rows(at: int, count: int) -> list[Row]:
    some = {"viewers": 7, "unique_viewers": None, "clicks": 1, "interactions": None}
    return [CITY[0].row(at + i, **some) for i in range(count)]


def whole(name: str, source: Source, value: bytes, reason: str) -> Bad:
    header = source.header(SampleType.VIEWERS, 0, 1)
    return Bad(name, header, to_headers(header), value, reason, [])


def no_header(source: Source, at: int) -> Bad:
    value = encode(batch_of(SampleType.VIEWERS, viewers_rows(at, 1)))
    bad = whole("no header", source, value, "ce_sequence: is missing")
    bad.headers = [(k, v) for k, v in bad.headers if k != "ce_sequence"]
    return bad


def not_arrow(source: Source, at: int) -> Bad:
    return whole("not arrow", source, PRIVATE.encode(), "value: is not a readable Arrow IPC stream")


def strange_column(source: Source, at: int) -> Bad:
    rows = batch_of(SampleType.VIEWERS, viewers_rows(at, 1))
    table = pa.RecordBatch.from_arrays(
        [*rows.columns, pa.array([PRIVATE])], names=[*rows.schema.names, "phone"]
    )
    reason = "schema: has a column that the contract does not list"
    return whole("strange column", source, encode(table), reason)


def among_good(name: str, source: Source, sample: SampleType, rows: list[Row], reason: str) -> Bad:
    """Row 1 of three is bad."""
    header = source.header(sample, 0, 3)
    value = encode(batch_of(sample, rows))
    good = [(0, rows[0]), (2, rows[2])]
    return Bad(name, header, to_headers(header), value, f"row 1: {reason}", good)


def from_the_future(source: Source, at: int) -> Bad:
    rows = viewers_rows(at + 100, 3)
    rows[1]["event_time"] = recent(0) + 12 * MINUTE
    reason = "event_time: must not be more than 60 s ahead of the broker's clock"
    return among_good("future", source, SampleType.VIEWERS, rows, reason)


def unknown_code(source: Source, at: int) -> Bad:
    filed = {"channel": "platform", "complaints": 0}
    rows = [CITY[0].row(at + i, code=c, **filed) for i, c in enumerate(["C01", PRIVATE, "C04"])]
    reason = "code: must be a code of the contract's list"
    return among_good("unknown code", source, SampleType.COMPLAINTS, rows, reason)


def foreign(source: Source, at: int) -> Bad:
    rows = viewers_rows(at + 200, 3)
    rows[1]["session_id"] = session_ids(1, 1)[0]
    reason = "session_id: must hash to the record's partition"
    return among_good("foreign session", source, SampleType.VIEWERS, rows, reason)


# -- raw rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", list(SampleType))
def test_every_column_is_stored_as_it_was_sent(
    pipeline: Pipeline, hour: Hour, sample: SampleType
) -> None:
    measures = [c.name for c in MEASURES[sample]]
    names = ["category", "district", "session_id", "merchant_pid", *measures]
    found = {
        tuple(row[:6]): row[6:]
        for row in pipeline.query(
            "SELECT platform_id, source, epoch, kafka_partition, sequence, row, "
            f"toUnixTimestamp64Milli(event_time), late, {', '.join(names)} FROM {VIEW[sample]}"
        )
    }
    sent = {}
    for header, number, row in hour.kept:
        ident = header.identity
        if ident.sample is sample:
            key = (ident.platform_id, ident.source, ident.epoch, ident.partition, ident.sequence)
            sent[*key, number] = (row["event_time"], 0, *(row.get(n) for n in names))
    assert found.keys() == sent.keys()
    assert found == sent
    if sample is SampleType.VIEWERS:
        assert sum(row["viewers"] is None for _, _, row in hour.kept if "viewers" in row) > 20


def test_where_a_row_was_read_is_kept(pipeline: Pipeline, hour: Hour) -> None:
    rows = pipeline.query(
        "SELECT countIf(broker_time < event_time), uniqExact(kafka_partition, kafka_offset), "
        "uniqExact(platform_id, source, kafka_partition, sequence), min(version) FROM raw_viewers"
    )
    before, offsets, batches, version = rows[0]
    assert before == 0
    assert offsets == batches
    assert version > 0


def test_dimensions_are_stored_and_absent_ones_are_empty(pipeline: Pipeline, hour: Hour) -> None:
    names = [c.name for c in DIMENSIONS]
    found = pipeline.query(f"SELECT platform_id, {', '.join(names)} FROM v_sessions")
    absent = {n: None if n == "streamer_certified" else "" for n in names}
    sent = [(s.platform, *(s.row(0)[n] or absent[n] for n in names)) for s in CITY]
    assert set(found) == set(sent)
    assert len(found) == len(sent)


# -- dead letters, repeats --------------------------------------------------------------------


def test_a_refused_record_is_kept_whole_with_its_place_and_reason(
    pipeline: Pipeline, hour: Hour
) -> None:
    found = {}
    for sample in SampleType:
        for record in records_of(pipeline.kafka.bootstrap, sample.dlq_topic):
            extra = dict(record.headers)
            place = tuple(extra[f"dlq_{k}"].decode() for k in ("topic", "partition", "offset"))
            found[place] = record, extra
    assert len(found) == len(hour.bad) == 6
    for bad in hour.bad:
        record, extra = found[bad.header.identity.topic, "0", str(bad.offset)]
        assert record.value == bad.value, bad.name
        assert record.headers[: len(bad.headers)] == bad.headers, bad.name
        reason = extra["dlq_reason"].decode()
        assert reason.startswith(bad.reason), bad.name
        assert PRIVATE not in reason
        assert "phone" not in reason
        assert session_ids(1, 1)[0] not in reason
        assert extra["dlq_refused_rows"] == b"1"


def test_refused_rows_and_repeats_are_counted(pipeline: Pipeline, hour: Hour) -> None:
    rows = pipeline.query(
        "SELECT source, sum(r), sum(d), sum(g), sum(l) FROM (SELECT source, topic, "
        "kafka_partition, platform_id, argMax(refused, minute) r, argMax(duplicates, minute) d, "
        "argMax(gaps, minute) g, argMax(late_rows, minute) l FROM v_completeness "
        "GROUP BY ALL) GROUP BY source ORDER BY source"
    )
    # The record without a sequence number is a gap: nobody knows which one it was.
    assert rows == [("broken", 5, 0, 1, 0), ("gate-1", 0, 1, 0, 0)]
    assert pipeline.worker.metric("livewatch_duplicate_batches_total") == 1
    assert pipeline.worker.metric("livewatch_refused_rows_total") == 6


def test_a_batch_sent_twice_is_stored_once(pipeline: Pipeline, hour: Hour) -> None:
    ident = hour.again.identity
    rows = pipeline.query(
        "SELECT count(), uniqExact(kafka_offset) FROM raw_orders WHERE platform_id = %(p)s "
        "AND source = %(s)s AND kafka_partition = %(k)s AND sequence = %(q)s",
        p=ident.platform_id,
        s=ident.source,
        k=ident.partition,
        q=ident.sequence,
    )
    assert rows == [(hour.again.rows, 1)]


# -- indicators -------------------------------------------------------------------------------

KEYS = {
    "session": ("platform_id", "category", "district", "session_id", "merchant_pid"),
    "cell": ("platform_id", "category", "district"),
}
BY_SESSION = ", ".join(KEYS["session"])
PER_MINUTE = f"""
    SELECT {BY_SESSION}, m, sum(a) AS orders, sum(b) AS paid_fen, sum(c) AS complaints,
           sum(d) AS viewer_milliminutes, sum(e) AS seen
    FROM (
        SELECT {BY_SESSION}, toStartOfMinute(event_time) AS m, toInt64(orders) AS a, paid_fen AS b,
               0 AS c, 0 AS d, 0 AS e FROM v_orders WHERE late = 0
        UNION ALL
        SELECT {BY_SESSION}, toStartOfMinute(event_time) AS m, 0, 0, complaints, 0, 0
        FROM v_complaints WHERE late = 0
        UNION ALL
        SELECT {BY_SESSION}, toStartOfMinute(event_time) AS m, 0, 0, 0,
               assumeNotNull(intDiv(1000 * sum(viewers), count(viewers))), 1
        FROM v_viewers WHERE late = 0 AND viewers IS NOT NULL GROUP BY ALL
    ) GROUP BY ALL
"""
INTEGERS = ("orders", "paid_fen", "complaints", "viewer_milliminutes", "seen")


def recomputed(table: str) -> tuple[list[str], str]:
    """Names of figures, and the SQL that computes them anew for every row of the table."""
    key = ", ".join(KEYS[table])
    figures: dict[str, str] = {}
    for w in (1, 5, 15, 60):
        window = f"m > minute - INTERVAL {w} MINUTE"
        sums = {n: f"toInt64(sumIf({n}, {window}))" for n in INTEGERS}
        figures |= {f"{n}_{w}m": s for n, s in sums.items()}
        o, p, v = sums["orders"], sums["paid_fen"], sums["viewer_milliminutes"]
        figures[f"i04_orders_per_min_{w}m"] = f"{o} / {w}"
        figures[f"i06_order_value_yuan_{w}m"] = f"if({o} = 0, NULL, {p} / 100 / {o})"
        rate = f"if({v} = 0, NULL, 1000 * {o} / ({v} / 1000))"
        figures[f"i09_orders_per_1000_viewer_min_{w}m"] = rate
    for name, window in (
        ("1h", "m > minute - INTERVAL 60 MINUTE"),
        ("24h", "toStartOfHour(m) > toStartOfHour(minute) - INTERVAL 24 HOUR"),
    ):
        o, c = f"sumIf(orders, {window})", f"sumIf(complaints, {window})"
        figures[f"i11_complaints_per_10000_{name}"] = f"10000 * ({c} + 1) / ({o} + 1000)"
    columns = ", ".join(f"{sql} AS f{i}" for i, sql in enumerate(figures.values()))
    return list(figures), (
        f"SELECT toUnixTimestamp(minute), {key}, {columns} "
        f"FROM (SELECT minute, {key} FROM v_indicators_{table} WHERE closed = 1) AS i "
        f"INNER JOIN ({PER_MINUTE}) AS per USING ({key}) WHERE m <= minute GROUP BY minute, {key}"
    )


@pytest.mark.parametrize("table", ["session", "cell"])
def test_indicators_are_what_sql_says_of_the_raw_rows(
    pipeline: Pipeline, hour: Hour, table: str
) -> None:
    names, sql = recomputed(table)
    keys = len(KEYS[table]) + 1
    truth = {row[:keys]: row[keys:] for row in pipeline.query(sql)}
    told = pipeline.query(
        f"SELECT toUnixTimestamp(minute), {', '.join(KEYS[table])}, {', '.join(names)} "
        f"FROM v_indicators_{table} WHERE closed = 1"
    )
    assert len(told) == len(truth) == len({row[:keys] for row in told})
    everyone = len(CITY) if table == "session" else 4
    assert len(told) >= everyone * MINUTES
    for row in told:
        for name, want, got in zip(names, truth[row[:keys]], row[keys:], strict=True):
            if isinstance(want, float) and got is not None:
                assert got == pytest.approx(want, rel=1e-9, abs=1e-9), (name, row[:keys])
            else:
                assert got == want, (name, row[:keys])


def test_each_minute_and_key_has_exactly_one_closed_row(pipeline: Pipeline, hour: Hour) -> None:
    for table, keys in KEYS.items():
        rows = pipeline.query(
            f"SELECT count() FROM (SELECT minute, {', '.join(keys)} FROM v_indicators_{table} "
            "GROUP BY ALL HAVING count() != 1 OR min(closed) != 1)"
        )
        assert rows == [(0,)], table


# -- flags ------------------------------------------------------------------------------------


def test_a_complaint_spike_becomes_flags(pipeline: Pipeline, hour: Hour) -> None:
    rows = pipeline.query(
        "SELECT entity_type, entity, flag_id, grade, event, toUnixTimestamp64Milli(onset), "
        "observed, expected, sentence_zh, sentence_en FROM v_flag_events WHERE rule = 'F01' "
        "ORDER BY event_time"
    )
    spiked = [r for r in rows if r[:2] in {("session", CITY[0].id), ("merchant", CITY[0].merchant)}]
    assert {r[0] for r in spiked} == {"session", "merchant"}
    ids: dict[tuple[str, str], set[str]] = {}
    for kind, entity, flag_id, *_ in rows:
        ids.setdefault((kind, entity), set()).add(flag_id)
    assert all(len(some) == 1 for some in ids.values()), ids
    best = {kind: max(GRADES[r[3]] for r in spiked if r[0] == kind) for kind in ("session",)}
    assert best["session"] >= GRADES["raised"]
    onset = spiked[0][5]
    first = hour.start + SPIKE.start * MINUTE
    assert first - 5 * MINUTE <= onset <= first + 10 * MINUTE
    for *_, observed, expected, zh, en in spiked:
        assert observed >= 0 <= expected
        assert any("\u4e00" <= c <= "\u9fff" for c in zh), zh
        assert en.isascii() and "complaint" in en.lower(), en  # noqa: PT018
    untouched = {s.id for s in CITY[1:]} | {s.merchant for s in CITY[1:]}
    assert not untouched & {r[1] for r in rows}


GRADES = {"watch": 1, "raised": 2, "critical": 3}


def test_each_flag_event_is_a_message_too(pipeline: Pipeline, hour: Hour) -> None:
    records = records_of(pipeline.kafka.bootstrap, FLAGS_TOPIC)
    told = [json.loads(r.value) for r in records]
    names = "flag_id, event, grade, sentence_zh, sentence_en"
    rows = pipeline.query(f"SELECT {names} FROM v_flag_events")
    assert sorted(tuple(m[n] for n in names.split(", ")) for m in told) == sorted(rows)
    assert all(r.key.decode() == m["flag_id"] for r, m in zip(records, told, strict=True))
    opened = Counter(m["flag_id"] for m in told if m["event"] == "opened")
    assert opened
    assert set(opened.values()) == {1}


# -- the process ------------------------------------------------------------------------------


def test_pages_answer(pipeline: Pipeline, hour: Hour) -> None:
    for page in ("/healthz", "/readyz"):
        answer = pipeline.worker.get(page)
        assert (answer.status_code, answer.text[:2]) == (200, "ok")
    metrics = pipeline.worker.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert pipeline.worker.metric("livewatch_rows_total") == len(hour.kept)
    assert pipeline.worker.metric("livewatch_late_rows_total") == 0
    assert pipeline.worker.metric("livewatch_store_errors_total") == 0
    assert pipeline.worker.metric("livewatch_sessions") == len(CITY)


def test_sigterm_ends_the_worker_cleanly(pipeline: Pipeline, hour: Hour) -> None:
    assert pipeline.worker.unasked == []
    assert pipeline.worker.terminate(15) == 0
