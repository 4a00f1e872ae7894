"""Closed figures against a recomputation from the raw rows that were on time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.check.warehouse import Warehouse

#: Indicator column and the raw sum that it must equal.
_SUMS = {
    "orders_1m": ("v_orders", "orders"),
    "paid_fen_1m": ("v_orders", "paid_fen"),
    "complaints_1m": ("v_complaints", "complaints"),
}
_TABLES = ("v_indicators_cell", "v_indicators_session")


@dataclass(frozen=True)
class MinuteCheck:
    """`wrong` maps table.column to the minutes whose totals differ."""

    minutes: int
    wrong: dict[str, list[datetime]]

    @property
    def wrong_minutes(self) -> int:
        """Minutes in which any of the totals differs."""
        return len({minute for minutes in self.wrong.values() for minute in minutes})


def check_minutes(warehouse: Warehouse) -> MinuteCheck:
    """Per minute, the closed one-minute sums over all cells and over all sessions equal the sums
    of the raw rows that came in time. An open minute that has raw rows counts as wrong."""
    seen: set[datetime] = set()
    wrong: dict[str, list[datetime]] = {}
    for column, (view, measure) in _SUMS.items():
        raw = _sums(
            warehouse,
            f"SELECT toStartOfMinute(event_time) AS m, toInt64(sum({measure})) AS s"  # noqa: S608
            f" FROM {view} WHERE late = 0 GROUP BY m",
        )
        for table in _TABLES:
            told = _sums(
                warehouse,
                f"SELECT minute AS m, toInt64(sum({column})) AS s"  # noqa: S608
                f" FROM {table} WHERE closed = 1 GROUP BY m",
            )
            seen |= told.keys()
            if bad := differing(raw, told):
                wrong[f"{table}.{column}"] = bad
    return MinuteCheck(len(seen), wrong)


def differing(raw: dict[datetime, int], told: dict[datetime, int]) -> list[datetime]:
    """Minutes in which the two disagree; a minute without rows is as good as zero."""
    return sorted(m for m in raw.keys() | told.keys() if raw.get(m, 0) != told.get(m, 0))


def closed_through(warehouse: Warehouse) -> datetime | None:
    """Start of the last closed minute of the cells; None when none has closed."""
    rows = warehouse.rows("SELECT max(minute), count() FROM v_indicators_cell WHERE closed = 1")
    newest, count = rows[0]
    return _datetime(newest) if count else None


def _datetime(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"expected a time, got {type(value).__name__}")
    return value


def _sums(warehouse: Warehouse, sql: str) -> dict[datetime, int]:
    return {minute: int(total) for minute, total in warehouse.rows(sql)}
