"""What an hour says of its minutes: each column as a minute has it, and how rows make one.

A minute of the hour is a bit of a mask, the newest the lowest: 59 less its number. Minutes of
several rows are told together by the masks' OR, whichever rows are chosen. So a figure is the same
of an hour that is kept as one row and of one that is read by the minute (ADR 0041).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_BIT: Final = "toUInt64(bitShiftLeft(toUInt64(1), 59 - toMinute(m.minute)))"


@dataclass(frozen=True, slots=True)
class Column:
    """`minute`: an expression over a row `m` of minutes; `fold`: over rows of one hour and key.

    `known`: it counts only where the platform was heard in that minute, which `m.known` says.
    """

    minute: str
    fold: str
    known: bool = False


def _sum(name: str) -> Column:
    return Column(f"m.{name}", f"sum({name})")


def _known(name: str, of: str) -> Column:
    return Column(f"if(m.known, m.{of}, 0)", f"sum({name})", known=True)


def _closed(name: str) -> Column:
    return Column(f"if(m.closed = 1, m.{name}, 0)", f"sum({name})")


_LAG: Final = "if(m.closed = 1, m.i22_lag_p95_ms_5m, NULL)"
#: The columns of `cell_hours`, in its order.
CELL: Final[Mapping[str, Column]] = {
    "closed": Column("m.closed", "min(closed)"),
    "told": Column(_BIT, "groupBitOr(told)"),
    "open": Column(f"if(m.closed = 0, {_BIT}, toUInt64(0))", "groupBitOr(open)"),
    "heard": Column(f"if(m.active_1m > 0, {_BIT}, toUInt64(0))", "groupBitOr(heard)"),
    **{
        name: _sum(name)
        for name in ("active_1m", "viewers_1m", "orders_1m", "paid_fen_1m", "complaints_1m")
    },
    "seen_1m": _closed("seen_1m"),
    "expected_1m": _closed("expected_1m"),
    "seen_5m": _sum("seen_5m"),
    "expected_5m": _sum("expected_5m"),
    "orders_known": _known("orders_known", "orders_1m"),
    "complaints_known": _known("complaints_known", "complaints_1m"),
    **{
        name: _known(name, name)
        for name in (
            "paid_fen_5m", "orders_5m", "viewer_milliminutes_5m", "orders_60m", "paid_fen_60m",
            "complaints_60m", "orders_24h", "complaints_24h",
        )
    },
    "lag_ms": Column(_LAG, "max(lag_ms)"),
    "lags": Column(
        f"if({_LAG} IS NULL, [], [assumeNotNull({_LAG})])", "arraySort(groupArrayArray(lags))"
    ),
}  # fmt: skip
#: The columns of `session_hours`, in its order.
SESSION: Final[Mapping[str, Column]] = {
    "told": Column(_BIT, "groupBitOr(told)"),
    "peak": Column("m.viewers_1m", "max(peak)"),
    **{name: _sum(name) for name in ("viewers_1m", "orders_1m", "paid_fen_1m", "complaints_1m")},
    "complaints_60m": Column("m.complaints_60m", "max(complaints_60m)"),
}
CELL_KEY: Final = ("platform_id", "category", "district")
SESSION_KEY: Final = (*CELL_KEY, "session_id")
