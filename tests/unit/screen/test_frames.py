"""From the driver's columns to the JSON that the page reads."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from grafana.screen.frames import frame, kind_of


@pytest.mark.parametrize(
    ("clickhouse_type", "kind"),
    [
        ("DateTime('UTC')", "time"),
        ("Nullable(DateTime64(3, 'UTC'))", "time"),
        ("Date", "time"),
        ("LowCardinality(Nullable(String))", "string"),
        ("Nullable(Float64)", "number"),
        ("UInt64", "number"),
        ("Decimal(18, 2)", "number"),
        ("Enum8('a' = 1)", "string"),
    ],
)
def test_types(clickhouse_type: str, kind: str) -> None:
    assert kind_of(clickhouse_type) == kind


def test_times_are_milliseconds_utc_and_unknown_stays_unknown() -> None:
    made = frame(
        [("time", "DateTime('UTC')"), ("v", "Nullable(Float64)"), ("s", "String"), ("d", "Date")],
        [
            [datetime(2026, 11, 11, 12, 0, tzinfo=UTC), datetime(2026, 11, 11, 12, 1)],  # noqa: DTZ001
            [float("nan"), None],
            ["a", None],
            [date(1970, 1, 2), None],
        ],
    )
    assert [c.values for c in made.columns] == [
        [1794398400000, 1794398460000],
        [None, None],
        ["a", None],
        [86400000, None],
    ]


def test_decimals_are_numbers_and_no_rows_keep_their_columns() -> None:
    assert frame([("v", "Decimal(9, 2)")], [[Decimal("1.25")]]).columns[0].values == [1.25]
    empty = frame([("a", "String"), ("b", "UInt8")], [])
    assert [(c.name, c.values) for c in empty.columns] == [("a", []), ("b", [])]
    assert empty.rows == 0


def test_the_digest_changes_with_the_figures_only() -> None:
    one, same, other = (frame([("v", "UInt8")], [[n]]).body for n in (1, 1, 2))
    assert one["digest"] == same["digest"] != other["digest"]
