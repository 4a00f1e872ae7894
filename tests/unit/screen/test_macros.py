"""The plugin's macros, against the expansions that its documentation and source give."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from grafana.screen.macros import ALL, Context, MacroError, expand, quoted
from grafana.screen.timerange import TimeRange

FROM = datetime(2026, 11, 11, 12, 0, 30, 500_000, tzinfo=UTC)
TO = datetime(2026, 11, 11, 13, 0, 30, 900_000, tzinfo=UTC)
U1, U2 = 1794398430, 1794402030


def context(interval_s: int = 60, **values: str) -> Context:
    return Context(TimeRange(FROM, TO), interval_s, values)


@pytest.mark.parametrize(
    ("sql", "expanded"),
    [
        ("$__timeFilter(minute)", f"minute >= toDateTime({U1}) AND minute <= toDateTime({U2})"),
        (
            "$__timeFilter(f(a, 'UTC'))",
            f"f(a, 'UTC') >= toDateTime({U1}) AND f(a, 'UTC') <= toDateTime({U2})",
        ),
        (
            "$__timeFilter_ms(t)",
            f"t >= fromUnixTimestamp64Milli({U1}500) AND t <= fromUnixTimestamp64Milli({U2}900)",
        ),
        ("$__dateFilter(d)", "d >= toDate('2026-11-11') AND d <= toDate('2026-11-11')"),
        (
            "$__dateTimeFilter(d, t)",
            "(d >= toDate('2026-11-11') AND d <= toDate('2026-11-11')) AND "
            f"(t >= toDateTime({U1}) AND t <= toDateTime({U2}))",
        ),
        (
            "$__dt(d,t)",
            "(d >= toDate('2026-11-11') AND d <= toDate('2026-11-11')) AND "
            f"(t >= toDateTime({U1}) AND t <= toDateTime({U2}))",
        ),
        ("x > $__fromTime", f"x > toDateTime({U1})"),
        ("x > $__fromTime()", f"x > toDateTime({U1})"),
        ("x < $__toTime AND 1", f"x < toDateTime({U2}) AND 1"),
        ("$__fromTime_ms", f"fromUnixTimestamp64Milli({U1}500)"),
        ("$__toTime_ms", f"fromUnixTimestamp64Milli({U2}900)"),
        ("$__timeInterval(c)", "toStartOfInterval(toDateTime(c), INTERVAL 60 second)"),
        (
            "$__timeInterval_ms(c)",
            "toStartOfInterval(toDateTime64(c, 3), INTERVAL 60000 millisecond)",
        ),
        ("$__timeFrom(c)", f"c >= toDateTime({U1})"),
        ("$__timeTo(c)", f"c <= toDateTime({U2})"),
        ("$__timeGroup(c, '5m')", "toStartOfInterval(toDateTime(c), INTERVAL 300 second)"),
        ("INTERVAL $__interval_s second", "INTERVAL 60 second"),
        ("SELECT '$5 and 7'", "SELECT '$5 and 7'"),
    ],
)
def test_backend_macros_expand_as_the_plugin_does(sql: str, expanded: str) -> None:
    assert expand(sql, context()) == expanded


def test_an_interval_under_a_second_becomes_one() -> None:
    assert expand("$__interval_s", context(interval_s=0)) == "1"


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        (ALL, "WHERE 1=1 AND x"),
        ("", "WHERE 1=1 AND x"),
        ("a", "WHERE p IN ('a') AND x"),
    ],
)
def test_conditional_all_drops_the_condition_when_everything_is_chosen(
    value: str, expanded: str
) -> None:
    sql = "WHERE $__conditionalAll(p IN (${p:singlequote}), $p) AND x"
    assert expand(sql, context(p=value)) == expanded


HOSTILE = [
    "' OR 1=1 --",
    "\\' OR 1=1 --",
    "\\",
    "a'); DROP TABLE flag_events; --",
    "$__timeFilter(x)",
    "${p:singlequote}",
    "$__all')",
    "\x00",
    "平台'",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_stays_inside_its_literal(value: str) -> None:
    literal = quoted(value)
    inside = literal[1:-1]
    # Every quote and backslash inside is escaped: taken pairwise nothing is left over.
    plain = inside.replace("\\\\", "").replace("\\'", "")
    assert literal[0] == literal[-1] == "'"
    assert "'" not in plain
    assert "\\" not in plain


@pytest.mark.parametrize(
    "sql",
    [
        "$__nothing(x)",
        "$__timeFilter()",
        "$__timeGroup(c, 0m)",
        "$__timeGroup(c, soon)",
        "$__columns(a, b, c)",
        "$__timeFilter(a, b)",
        "$__timeFilter(a",
        "WHERE $p = 1",
        "WHERE ${p} = 1",
        "WHERE ${p:raw} = 1",
        "WHERE ${q:singlequote} = 1",
        "$__conditionalAll(a)",
        "$__conditionalAll(a, b)",
    ],
)
def test_a_query_that_is_wrong_is_refused(sql: str) -> None:
    with pytest.raises(MacroError):
        expand(sql, context(p="a"))
