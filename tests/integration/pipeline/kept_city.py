"""A city of some days by the minute, and what points of an hour say of it, told without SQL."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipelines.warehouse import hours

END: Final = datetime.now(UTC).replace(minute=37, second=0, microsecond=0) - timedelta(hours=1)
HOURS: Final = 30
CELLS: Final = [
    (f"p{p}", category, district)
    for p in range(2)
    for category in ("food", "apparel", "jewellery")
    for district in ("310101", "310115")
]
KEY: Final = ("platform_id", "category", "district")
FIGURES: Final = (
    "active_1m", "viewers_1m", "orders_1m", "paid_fen_1m", "complaints_1m", "seen_1m",
    "expected_1m", "seen_5m", "expected_5m", "paid_fen_5m", "orders_5m", "viewer_milliminutes_5m",
    "orders_60m", "paid_fen_60m", "complaints_60m", "orders_24h", "complaints_24h",
)  # fmt: skip
#: Minutes before END in which nothing is heard of p1, though its orders and windows go on.
SILENT: Final = range(400, 437)
Row = dict[str, Any]
Chosen = Callable[[Row], bool]


def minutes(rng: random.Random) -> list[Row]:
    """A row a cell and minute, the oldest first; some are missing, the newest three are open."""
    rows = []
    for ago in range(HOURS * 60 - 1, -1, -1):
        for cell in CELLS:
            if rng.random() < 0.05:
                continue
            silent = cell[0] == "p1" and ago in SILENT
            row: Row = dict(zip(KEY, cell, strict=True))
            row |= {name: rng.randrange(1000) for name in FIGURES}
            row["active_1m"] = 0 if silent or rng.random() < 0.3 else rng.randrange(1, 9)
            row["viewers_1m"] *= row["active_1m"]
            row["i22_lag_p95_ms_5m"] = rng.choice([None, 100.0, 200.0, 500.0, 1000.0])
            row |= {"minute": END - timedelta(minutes=ago), "closed": int(ago > 2), "version": 1}
            rows.append(row)
    return rows


def rewritten(row: Row, rng: random.Random, version: int) -> Row:
    """As after a replay: the same minute with other figures."""
    return row | {name: rng.randrange(1000) for name in FIGURES} | {"version": version}


def put(db: Any, rows: Iterable[Row]) -> None:
    some = list(rows)
    names = ", ".join(some[0])
    db.execute(
        f"INSERT INTO indicators_cell ({names}) SETTINGS insert_deduplicate = 0 VALUES",
        [tuple(row.values()) for row in some],
    )


def rest(db: Any) -> list[datetime]:
    """Eleven minutes go by, and a run follows. Told as if all so far had been so much earlier."""
    eleven = ", ".join(f"{c} = {c} - INTERVAL 11 MINUTE" for c in ("touched", "computed"))
    db.execute(f"ALTER TABLE hour_notes UPDATE {eleven} WHERE 1 SETTINGS mutations_sync = 2")
    for one in hours.KEPT.values():  # a key cannot be updated; what no note names does not count
        earlier = "* REPLACE (computed - INTERVAL 11 MINUTE AS computed)"
        db.execute(f"INSERT INTO {one.table} SELECT {earlier} FROM {one.table}")
    return hours.run(db)


class Told:
    """The newest version of each minute from `first` to `end`, as points `step` seconds apart."""

    def __init__(self, rows: Iterable[Row], first: datetime, end: datetime, step: int) -> None:
        newest: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            key = (row["minute"], *(row[k] for k in KEY))
            if key not in newest or newest[key]["version"] <= row["version"]:
                newest[key] = row
        self.rows = [r for r in newest.values() if first <= r["minute"] <= end]
        self.fine = step < 600
        self.length = step if self.fine else max(step, 3600)
        active = {(r["platform_id"], r["minute"]) for r in self.rows if r["active_1m"]}
        self.known = lambda r: self.fine or (r["platform_id"], r["minute"]) in active

    def time(self, minute: datetime) -> datetime:
        at = int(minute.timestamp())
        return datetime.fromtimestamp(at - at % self.length, UTC)

    def points(self, label: str, chosen: Chosen) -> dict[tuple[datetime, str], list[list[Row]]]:
        """Of each step and label its points, each with its rows: minutes, or hours."""
        found: dict[Any, dict[datetime, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in filter(chosen, self.rows):
            point = row["minute"] if self.fine else row["minute"].replace(minute=0)
            found[self.time(row["minute"]), row[label]][point].append(row)
        return {key: list(of.values()) for key, of in found.items()}

    def lines(
        self, label: str, chosen: Chosen, value: Callable[[Callable[[str], float]], float | None]
    ) -> dict[tuple[datetime, str], tuple[float | None, bool]]:
        """(time, label) -> the mean over its known minutes, and whether all is closed."""
        out = {}
        for key, points in self.points(label, chosen).items():
            total = weight = 0.0
            for rows in points:
                heard = {r["minute"] for r in rows if r["active_1m"]}
                mean = self._mean(rows, len(heard))
                v = value(mean) if heard else None
                if v is not None:
                    total, weight = total + v * len(heard), weight + len(heard)
            closed = all(r["closed"] for rows in points for r in rows)
            out[key] = (total / weight if weight else None, closed)
        return out

    def _mean(self, rows: list[Row], heard: int) -> Callable[[str], float]:
        return lambda name: sum(r[name] for r in rows if self.known(r)) / heard
