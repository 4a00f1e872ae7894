"""Fills what the city's detectors, sources and officers left behind: flags, ledger, completeness.

Flags come at the rates that the budget allows a whole city (README, docs/detection.md): 1,000 of
grade watch a day, 10 raised, 1 critical, and some 100 of the other rules. What only a notice or
more rests on has a file in the ledger. Three years of both are there at every size.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from benchmarks.city import SESSIONS, Engine, back, category, keys, merchant, minute, platform
from pipelines.warehouse import completeness, hours

FLAG_DAYS: Final = 3 * 365
FLAGS_A_DAY: Final = 1_111
_GAP_S: Final = 86_400 // FLAGS_A_DAY
#: Of 1,111 flags of a day 111, spread over it, have a file; the others are F01 of grade watch.
_OF_DAY: Final = f"(number * 7919 % {FLAGS_A_DAY})"
_ID: Final = "hex(sipHash128('flag', number))"
_RULE: Final = (
    f"multiIf({_OF_DAY} < 1011, 'F01', "
    "['F02', 'F03', 'F04', 'F05', 'F07', 'F08', 'F09', 'F10', 'F11', 'F12'][1 + number % 10])"
)
_GRADE: Final = (
    f"multiIf({_OF_DAY} < 1000, 'watch', {_OF_DAY} = 1010 OR number % 50 = 0, 'critical', 'raised')"
)
_SENTENCES: Final = (
    "concat('商户 ', entity, ' 在 60 分钟内收到 9 件投诉，按其订单量预计 2.0 件；"
    "这样的偏离在一年中预计出现不到一次。'), concat('Merchant ', entity, ' had 9 complaints "
    "in 60 minutes where its orders led to expect 2.0; so much is due less than once a year.')"
)
#: Long windows: (indicator, window, part). docs/indicators.md has what they are.
_LONG: Final = (
    "('I03', 'session', 'p50'), ('I05', '1d', ''), ('I07', 'session', 'p50'), ('I08', '15m', ''), "
    "('I10', '7d', ''), ('I10', '30d', ''), ('I11', '7d', ''), ('I12', '24h', ''), "
    "('I13', '7d', 'p50'), ('I13', '7d', 'p95'), ('I14', '30d', ''), ('I15', '5m', ''), "
    "('I16', '1h', 'p95'), ('I17', '1d', ''), ('I18', '7d', ''), ('I19', '7d', 'CR10'), "
    "('I19', '7d', 'HHI'), ('I20', '1d', 'night'), ('I20', '1d', 'night_food'), "
    "('I20', '1d', 'first_launch')"
)
_TOPICS: Final = "['viewers', 'orders', 'complaints', 'reviews']"


def fill(db: Engine, end: datetime, days: int) -> None:
    """Flags and ledger of three years; completeness and long windows of `days`."""
    for first in range(0, FLAG_DAYS, 73):
        _fill_flags(db, end, first * FLAGS_A_DAY, 73 * FLAGS_A_DAY)
        _fill_ledger(db, end, first * FLAGS_A_DAY, 73 * FLAGS_A_DAY)
    # As the table does by itself with a month that rests for an hour.
    for table in ("flags", "silences"):
        db.execute(f"OPTIMIZE TABLE {table} FINAL")
    for day in range(days):
        _fill_completeness(db, end - timedelta(days=day))
        _fill_values(db, end - timedelta(days=day))
        _fill_session_values(db, end - timedelta(days=day), day)


def keep_completeness(db: Engine, end: datetime) -> None:
    """As `livewatch ops rollup` has left it by `end`: hours that ended 15 minutes before are kept.

    What was filled in just now counts as inserted in its time, and the hours after as still moving.
    """
    later = datetime.now(UTC) + timedelta(minutes=11)
    moving = f"hour >= toStartOfHour({back(end, '4500')})"
    db.execute(
        "INSERT INTO completeness_hours (hour, touched) SELECT DISTINCT hour, "
        f"{back(later, '0')} FROM completeness_hours WHERE {moving}"
    )
    completeness.run(db, later)


def keep_hours(db: Engine, end: datetime) -> None:
    """The same of the hours of cells and sessions."""
    later = datetime.now(UTC) + timedelta(minutes=11)
    db.execute(
        "INSERT INTO hour_notes (minutes, hour, touched) SELECT DISTINCT minutes, hour, "
        f"{back(later, '0')} FROM hour_notes WHERE hour > {back(end, '4500')}"
    )
    hours.run(db, later)


def _fill_flags(db: Engine, end: datetime, first: int, count: int) -> None:
    """Each is opened, and cleared two hours later; those of the last two hours are open, and of
    the older ones one in 10,000, where a series ended without a word."""
    for event, later in (("opened", 300), ("cleared", 7500)):
        over = f"onset <= {back(end, '7500')} AND number % 10000 != 0" if later > 300 else "1"
        n = "number"
        db.execute(
            "INSERT INTO flag_events (flag_id, event, grade, rule, entity_type, entity, "
            "platform_id, category, district, onset, event_time, decided_at, observed, expected, "
            "exposure, window_s, score, threshold, rule_version, evidence, version, sentence_zh, "
            f"sentence_en) SELECT {_ID}, '{event}', {_GRADE}, {_RULE} AS code, "
            f"if(code = 'F11', 'platform', 'merchant'), if(code = 'F11', {platform(n)}, "
            f"{merchant('cityHash64(number)')}) AS entity, {keys(n)}, "
            f"{back(end, f'600 + {_GAP_S} * number')} AS onset, "
            f"onset + toIntervalSecond({later}) AS at, at + toIntervalSecond(2), 9, 2, 1000, 3600, "
            f"8, 6, '1', toJSONString(range(12)), 1, {_SENTENCES} FROM numbers({first}, {count}) "
            f"WHERE {over}"
        )


def _fill_ledger(db: Engine, end: datetime, first: int, count: int) -> None:
    """Of each file what happened to it; one in 20 appealed, a quarter of these overturned."""
    life = (
        "arrayFilter(e -> e.1 != '', [('opened', 300), ('graded', 301), ('level', 302), "
        "(if(number % 7 != 0, 'acked', ''), 1500), (if(number % 20 = 0, 'appealed', ''), 90000), "
        "(multiIf(number % 20 != 0, '', number % 80 = 0, 'overturned', 'upheld'), 200000), "
        "(if(number % 10000 != 0, 'cleared', ''), 7500)])"
    )
    db.execute(
        "INSERT INTO ledger (seq, entry_id, flag_id, kind, at, actor, role, why, details, prev, "
        f"hash, version) SELECT {FLAG_DAYS * FLAGS_A_DAY} * 300000 - "
        f"(300 + number * {_GAP_S} - e.2) * 10 + indexOf({life}, e), "
        f"hex(sipHash128(number, e.1)), {_ID}, e.1, {back(end, f'600 + {_GAP_S} * number - e.2')}, "
        "'clerk', '', '', if(e.1 IN ('opened', 'level'), toJSONString(map('rule', "
        f"{_RULE}, 'platform_id', {platform('number')}, 'category', {category('number')}, "
        "'district', '310101', 'level', ['notice', 'warning', 'action'][1 + number % 3], "
        "'sentence', repeat('why ', 40))), '{}'), "
        "hex(sipHash128(number, e.2)), hex(sipHash128(e.2, number)), 1 "
        f"FROM numbers({first}, {count}) ARRAY JOIN {life} AS e "
        f"WHERE {_OF_DAY} >= 1000 AND e.2 <= 600 + {_GAP_S} * number"
    )


def _fill_completeness(db: Engine, end: datetime) -> None:
    """A day of running totals: a source a platform, four topics of 24 partitions each."""
    total = f"toUInt64(toUnixTimestamp(({minute(end, 480)})::DateTime('UTC')) % 31536000)"
    db.execute(
        "INSERT INTO completeness (minute, platform_id, source, topic, kafka_partition, epoch, "
        "next_sequence, batches, rows, duplicates, late_rows, gaps, skew_ms, skew_low_ms, "
        f"skew_high_ms, watermark, version) SELECT {minute(end, 480)} AS at, "
        f"{platform('number')}, 'gate', concat('telemetry.', {_TOPICS}[1 + intDiv(number, 5) % 4], "
        f"'.v1'), intDiv(number, 20) % 24, 1, {total}, {total}, 400 * {total}, intDiv({total}, 99),"
        f" intDiv({total}, 50), number % 1000 = 0, 20, -200, 300, at + toIntervalSecond(55), 1 "
        "FROM numbers(480 * 1440)"
    )


def _fill_values(db: Engine, end: datetime) -> None:
    """A day of the long windows, every five minutes: city, platforms, and their categories."""
    for scope, count, cells in (
        ("city", 1, "'', ''"),
        ("platform", 5, f"{platform('number')}, ''"),
        ("category", 40, f"{platform('number')}, {category('number')}"),
    ):
        db.execute(
            "INSERT INTO indicator_values (minute, indicator, window, part, scope, platform_id, "
            "category, session_id, value, numerator, denominator, n, version) SELECT "
            f"{minute(end, count, 5)}, one.1, one.2, one.3, '{scope}', {cells}, '', "
            f"1 + cityHash64(number) % 99, 1 + number % 99, 100, 100, 1 "
            f"FROM numbers({count * 288}) ARRAY JOIN [{_LONG}] AS one"
        )


def _fill_session_values(db: Engine, end: datetime, day: int) -> None:
    """A day of I03, I07 and I08 of the sessions, every five minutes of their 8 hours."""
    n = f"(number % {SESSIONS})"
    db.execute(
        "INSERT INTO indicator_values (minute, indicator, window, part, scope, platform_id, "
        "category, session_id, value, numerator, denominator, n, version) SELECT "
        f"{minute(end, SESSIONS, 5)}, one.1, one.2, '', 'session', {platform(n)}, {category(n)}, "
        f"concat('s', toString({n}), '-{day}'), cityHash64(number) % 99, 1, 1, 1, 1 "
        f"FROM numbers({SESSIONS * 96}) "
        "ARRAY JOIN [('I03', 'session'), ('I07', 'session'), ('I08', '15m')] AS one"
    )
