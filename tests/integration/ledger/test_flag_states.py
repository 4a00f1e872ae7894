"""Flags as the table keeps them are those that folding all events would give."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grafana.dashboards.flags_sql import evidence, flags
from grafana.screen.macros import ALL, Context, expand
from grafana.screen.timerange import TimeRange
from pipelines.warehouse.migrate import Step, load, plan, run

NUMBER = 25
FLAGS = 400
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
Row = dict[str, Any]


def life(rng: random.Random, n: int) -> list[Row]:
    """Events of one flag: opened, and what may come after, each with its own figures."""
    onset = NOW - timedelta(minutes=rng.randrange(70 * 24 * 60))
    rule = rng.choice(("F01", "F01", "F02", "F11"))
    kind = rng.choice(("platform", "session") if rule == "F11" else ("session", "merchant"))
    flag: Row = {
        "flag_id": f"flag-{n}", "rule": rule, "entity_type": kind, "onset": onset,
        "entity": f"e{rng.randrange(8)}", "platform_id": f"p{rng.randrange(3)}",
        "category": rng.choice(("", "food")),
    }  # fmt: skip
    grades = ["watch", "raised", "critical"][rng.randrange(3) :]
    kinds = [("opened", grades[0])] + [("escalated", g) for g in grades[1:] if rng.random() < 0.5]
    if rng.random() < 0.4:
        kinds += [("attached", grades[0])] + [("detached", grades[0])] * (rng.random() < 0.5)
    kinds += [(rng.choice(("cleared", "ended")), grades[0])] * (rng.random() < 0.7)
    at = onset
    out = []
    for event, grade in kinds:
        # Mostly minutes; a silence of weeks now and then.
        at += timedelta(seconds=1 + rng.randrange(7200) * (300 if rng.random() < 0.05 else 1))
        figures = {f: rng.random() for f in ("observed", "expected", "exposure", "score")}
        out.append(
            flag | figures | {
                "event": event, "grade": grade, "event_time": at, "version": 1,
                "decided_at": at + timedelta(seconds=2), "window_s": rng.randrange(9999),
                "threshold": rng.random(), "sentence_zh": f"句 {rng.random()}",
                "sentence_en": f"words {rng.random()}",
                "parent_id": f"flag-{n - 1}" if event == "attached" else "",
            }
        )  # fmt: skip
    return out


def put(client: Any, rows: list[Row]) -> None:
    names = list(rows[0])
    client.execute(
        f"INSERT INTO flag_events ({', '.join(names)}) SETTINGS insert_deduplicate = 0 VALUES",
        [[row[n] for n in names] for row in rows],
    )


def folded() -> Iterator[str]:
    """The views of before, which fold every event, under other names."""
    step = Step(next(m for m in load() if m.number == NUMBER), False)
    for statement in step.statements("any"):
        if statement.startswith("CREATE VIEW"):
            yield statement.replace("v_flags", "old_flags").replace("v_silences", "old_silences")


@pytest.fixture(scope="module")
def client(clickhouse: Any) -> Iterator[Any]:
    """Half of the events came before the migration, the others after it; some of them again."""
    rng = random.Random(7)
    with clickhouse.client(user="admin") as admin:
        admin.execute("DROP DATABASE IF EXISTS flag_states")
        run(admin, "flag_states", plan(load(), 0, NUMBER - 1))
        events = [event for n in range(FLAGS) for event in life(rng, n)]
        events += [e | {"version": rng.randrange(1, 9)} for e in rng.sample(events, FLAGS)]
        rng.shuffle(events)
        half = len(events) // 2
        put(admin, events[:half])
        run(admin, "flag_states", plan(load(), NUMBER - 1, None))
        for first in range(half, len(events), 100):
            put(admin, events[first : first + 100])
        put(admin, events[:100])
        for statement in folded():
            admin.execute(statement)
        yield admin
        admin.execute("DROP DATABASE flag_states")


def test_the_table_says_what_folding_all_events_says(client: Any) -> None:
    query = "SELECT * EXCEPT (muted_by, parent_id) FROM {} ORDER BY flag_id"
    found = client.execute(query.format("v_flags"))
    assert found == client.execute(query.format("old_flags"))
    assert len(found) == FLAGS
    states = "SELECT uniqExact(state), uniqExact(grade), countIf(parent_id != '') > 0 FROM v_flags"
    assert client.execute(states) == [(3, 3, 1)]


def test_what_mutes_a_flag_is_a_silence_over_its_opening(client: Any) -> None:
    muted = client.execute(
        "SELECT f.flag_id, any(f.muted_by), groupArray(s.flag_id) FROM old_flags AS f "
        "INNER JOIN old_silences AS s ON f.platform_id = s.silent_platform "
        "WHERE f.rule != 'F11' AND f.opened_event_time >= s.since AND f.opened_event_time <= "
        "s.until AND (s.silent_type = 'platform' OR (s.silent_type = f.entity_type AND "
        "s.silent_entity = f.entity)) GROUP BY f.flag_id"
    )
    by = dict(client.execute("SELECT flag_id, muted_by FROM v_flags WHERE muted"))
    assert by.keys() == {flag for flag, _, _ in muted}
    assert 20 < len(by) < FLAGS - 20
    assert all(by[flag] in silences for flag, _, silences in muted)


def test_a_flag_that_was_detached_has_no_parent(client: Any) -> None:
    told = client.execute(
        "SELECT flag_id, groupUniqArray(event), max(parent_id) FROM flag_events GROUP BY flag_id"
    )
    found = dict(client.execute("SELECT flag_id, parent_id FROM v_flags"))
    assert found == {flag: "" if "detached" in events else p for flag, events, p in told}
    assert sum("detached" in events for _, events, _ in told) > 20 < sum(map(bool, found.values()))


def test_keys_say_what_the_flag_says(client: Any) -> None:
    same = (
        "onset, flag_id, rule, entity_type, entity, platform_id, category, grade_rank, grade, "
        "state, state = 'open', last_event_time"
    )
    found = client.execute("SELECT * FROM v_flag_keys ORDER BY flag_id")
    assert found == client.execute(f"SELECT {same} FROM old_flags ORDER BY flag_id")


def test_flags_are_found_by_their_entity(client: Any) -> None:
    few = "WHERE entity IN ('e1', 'e2')"
    found = client.execute(f"SELECT DISTINCT flag_id, onset FROM v_flag_entities {few}")
    assert set(found) == set(client.execute(f"SELECT flag_id, onset FROM old_flags {few}"))
    assert 20 < len(found) < FLAGS


@pytest.mark.parametrize("days", [1, 9])
def test_a_panel_lists_the_flags_that_folding_them_all_puts_first(client: Any, days: int) -> None:
    span = TimeRange(NOW - timedelta(days=days + 2), NOW - timedelta(days=2))
    context = Context(span, 60, {"platform": "p1", "category": ALL})
    begin, end = (f"toDateTime({round(t.timestamp())})" for t in (span.start, span.end))
    within = f"onset <= {end} AND (state = 'open' OR onset >= {begin}) AND platform_id = 'p1'"
    for sql, order, limit in (
        (flags("sentence_en"), "state = 'open' DESC, grade_rank DESC, onset DESC, flag_id", 100),
        (evidence("en"), "onset DESC, flag_id", 200),
    ):
        found = [row[-1] for row in client.execute(expand(sql, context))]
        plain = f"SELECT flag_id FROM old_flags WHERE {within} ORDER BY {order} LIMIT {limit}"
        assert found == [row[0] for row in client.execute(plain)]
        assert len(found) > 9


def test_a_replay_of_everything_changes_nothing(client: Any) -> None:
    query = "SELECT * FROM v_flags ORDER BY flag_id"
    before = client.execute(query)
    again = "SETTINGS insert_deduplicate = 0 SELECT * FROM flag_events"
    client.execute(f"INSERT INTO flag_events {again}")
    assert client.execute(query) == before
    client.execute("OPTIMIZE TABLE flags FINAL")
    client.execute("OPTIMIZE TABLE silences FINAL")
    assert client.execute("SELECT count() FROM flags") == [(FLAGS,)]
    assert client.execute(query) == before
