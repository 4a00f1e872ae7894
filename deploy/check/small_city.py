"""Two days of a small city, stored as a worker stores them: raw rows, sessions, closed minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

PLATFORMS = ("p-one", "p-two", "p-three", "p-four")
CATEGORIES = ("apparel", "food", "cosmetics", "jewellery")
DISTRICTS = ("310115", "310101", "310104", "310112", "310151")
SCENARIOS = ("", "night_food", "first_launch", "cross_border_import")
CODES = ("C02", "C01", "C0301", "C04", "C0601", "L02")
MERCHANTS = 220
SESSIONS = 420
STEP_S = 900


@dataclass(frozen=True)
class City:
    """Rows by table, as dictionaries; times are UTC. `days` are those of Shanghai."""

    days: tuple[date, date]
    tables: dict[str, list[dict[str, Any]]]


def two_days(now: datetime) -> City:
    """The last two whole days of Shanghai before `now`; all else is the same every time."""
    today = (now.astimezone(UTC) + timedelta(hours=8)).date()
    days = (today - timedelta(days=2), today - timedelta(days=1))
    rng = np.random.default_rng(11)
    home = [
        np.minimum(rng.geometric(p, MERCHANTS), len(names)) - 1
        for p, names in ((0.5, PLATFORMS), (0.45, CATEGORIES), (0.4, DISTRICTS))
    ]
    weight = rng.lognormal(0, 1, MERCHANTS)
    tables: dict[str, list[dict[str, Any]]] = {
        t: [] for t in ("sessions", "raw_viewers", "raw_orders", "raw_complaints")
    }
    for number, day in enumerate(days):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
        for session in range(SESSIONS):
            who = int(rng.choice(MERCHANTS, p=weight / weight.sum()))
            names = (PLATFORMS[home[0][who]], CATEGORIES[home[1][who]], DISTRICTS[home[2][who]])
            _session(tables, rng, midnight, number * SESSIONS + session, who, names)
    _cells(tables, days)
    return City(days, tables)


def _session(
    tables: dict[str, list[dict[str, Any]]],
    rng: np.random.Generator,
    midnight: datetime,
    number: int,
    who: int,
    names: tuple[str, str, str],
) -> None:
    start = midnight + timedelta(minutes=int(rng.integers(0, 22 * 60)))
    common = dict(zip(("platform_id", "category", "district"), names, strict=True))
    common |= {"session_id": f"s{number:06d}", "merchant_pid": f"m{who:06d}"}
    scenario = SCENARIOS[int(rng.choice(len(SCENARIOS), p=(0.7, 0.15, 0.1, 0.05)))]
    tables["sessions"].append(
        common
        | {"room_pid": "r", "streamer_pid": "t", "mcn_pid": "", "base_id": "", "version": 1}
        | {"scenario": scenario, "first_seen": start}
    )
    viewers = rng.lognormal(4, 1)
    for step in range(int(rng.integers(4, 12))):
        at = start + timedelta(seconds=STEP_S * step + int(rng.integers(0, 50)))
        identity = common | {
            "event_time": at,
            "broker_time": at + timedelta(milliseconds=int(rng.integers(90, 3000))),
            "source": "gate", "epoch": 1, "kafka_partition": 0, "sequence": number, "row": step,
            "late": 0, "kafka_offset": number, "version": 1,
        }  # fmt: skip
        orders = int(rng.poisson(viewers * 0.05))
        tables["raw_viewers"].append(
            identity
            | {"viewers": int(viewers * rng.lognormal(0, 0.2)), "unique_viewers": None}
            | {"clicks": int(rng.integers(0, 30)), "interactions": None}
        )
        tables["raw_orders"].append(
            identity
            | {"orders": orders, "paid_fen": orders * int(rng.integers(2_000, 20_000))}
            | {"refunds": int(rng.binomial(orders, 0.2)), "refunded_fen": 0}
        )
        if rng.random() < 0.06:
            code = CODES[int(rng.choice(len(CODES), p=(0.35, 0.3, 0.2, 0.08, 0.05, 0.02)))]
            filed = {"code": code, "channel": "platform", "complaints": int(rng.integers(1, 3))}
            tables["raw_complaints"].append(identity | filed)


def _cells(tables: dict[str, list[dict[str, Any]]], days: tuple[date, date]) -> None:
    """Closed minutes of the cells, as the second stage has them; the last one of the days too."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}

    def cell(row: dict[str, Any]) -> dict[str, int]:
        minute = row["event_time"].replace(second=0, microsecond=0)
        key = (minute, row["platform_id"], row["category"], row["district"])
        return found.setdefault(key, {})

    def add(row: dict[str, Any], **values: int) -> None:
        one = cell(row)
        for name, value in values.items():
            one[name] = one.get(name, 0) + value

    for row in tables["raw_viewers"]:
        watched = {"viewers_1m": row["viewers"], "viewer_milliminutes_1m": 1000 * row["viewers"]}
        add(row, active_1m=1, seen_1m=1, expected_1m=1, **watched)
    for row in tables["raw_orders"]:
        add(row, orders_1m=row["orders"], paid_fen_1m=row["paid_fen"])
    for row in tables["raw_complaints"]:
        add(row, complaints_1m=row["complaints"])
    names = sorted({n for values in found.values() for n in values})
    tables["indicators_cell"] = [
        {"minute": k[0], "platform_id": k[1], "category": k[2], "district": k[3], "closed": 1,
         "version": 1, **{n: v.get(n, 0) for n in names}}
        for k, v in found.items()
    ]  # fmt: skip
    last = datetime(days[1].year, days[1].month, days[1].day, 16, 30, tzinfo=UTC)
    row = {"minute": last, "platform_id": "p-one", "category": "food", "district": "310115"}
    empty = dict.fromkeys(names, 0)
    tables["indicators_cell"].append(row | empty | {"closed": 1, "version": 1})


def store(db: Any, city: City) -> None:
    for table, rows in city.tables.items():
        columns = list(rows[0])
        values = [[row[name] for row in rows] for name in columns]
        db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES", values, columnar=True)
