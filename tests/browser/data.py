"""A simulated city for the screen: indicators of two hours, flags, completeness.

Everything is arrays [minute, cell], so that a test can work out any figure in numpy, apart
from the SQL of the dashboards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

PLATFORMS = ("platform-a", "platform-b", "platform-c", "platform-d")
CATEGORIES = ("food", "apparel", "household", "cosmetics", "jewellery", "agricultural")
DISTRICTS = ("310101", "310104", "310106", "310112", "310115")
WARM_UP = 60  # minutes before the two hours, so that the 60-minute windows are full
SHOWN = 120
OPEN = 4  # newest minutes, still open; the very newest has only begun
GAP = slice(WARM_UP + 70, WARM_UP + 76)  # platform-d says nothing here
SPIKE = slice(WARM_UP + 95, WARM_UP + SHOWN)
SPIKE_CELL = ("platform-b", "jewellery", "310115")

WINDOWS = (1, 5, 15, 60)
GAUGES = ("active", "viewers")
COUNTS = ("orders", "paid_fen", "viewer_milliminutes", "complaints", "seen", "expected")


@dataclass(frozen=True)
class City:
    minutes: list[datetime]
    cells: list[tuple[str, str, str]]
    closed: np.ndarray  # [minute]
    present: np.ndarray  # [minute, cell]
    figures: dict[str, np.ndarray]  # name_1m -> [minute, cell]

    def of(self, platform: str) -> np.ndarray:
        return np.array([c[0] == platform for c in self.cells])

    @property
    def last_closed(self) -> int:
        return int(np.flatnonzero(self.closed)[-1])


def last_evening(now: datetime | None = None) -> datetime:
    """20:30 in Shanghai, the day before: recent enough to outlive the tables' TTL."""
    day = (now or datetime.now(UTC)) - timedelta(days=1)
    return day.replace(hour=12, minute=30, second=0, microsecond=0)


def build(end: datetime, seed: int = 7) -> City:
    """The minutes up to and including `end`; the same every time."""
    rng = np.random.default_rng(seed)
    cells = [(p, c, d) for p in PLATFORMS for c in CATEGORIES for d in DISTRICTS]
    length = WARM_UP + SHOWN
    evening = 1 + 0.35 * np.sin(np.linspace(-1.4, 1.3, length))[:, None]
    size = {"platform-a": 1.0, "platform-b": 0.62, "platform-c": 0.4, "platform-d": 0.2}
    weight = np.array([size[p] for p, _, _ in cells]) * rng.lognormal(0, 0.6, len(cells))
    wander = np.exp(np.cumsum(rng.normal(0, 0.008, (length, len(cells))), axis=0))
    active = rng.poisson(14 * weight * evening * wander)
    viewers = np.round(active * rng.lognormal(4.6, 0.05, active.shape)).astype(np.int64)
    orders = rng.poisson(viewers * 0.011)
    value = np.array([_ORDER_FEN[c] for _, c, _ in cells])
    paid = np.round(orders * value * rng.lognormal(0, 0.06, orders.shape)).astype(np.int64)
    complaints = rng.poisson(orders * 0.0011)
    complaints[SPIKE, cells.index(SPIKE_CELL)] += rng.poisson(2.2, SPIKE.stop - SPIKE.start)
    expected = active + rng.poisson(0.02, active.shape)
    base = {
        "active": active,
        "viewers": viewers,
        "orders": orders,
        "paid_fen": paid,
        "viewer_milliminutes": viewers * 1000,
        "complaints": complaints,
        "seen": active - (rng.random(active.shape) < 0.02) * (active > 0),
        "expected": expected,
    }
    # The newest minute has just begun.
    base = {k: np.vstack([v[:-1], v[-1:] // 6]) for k, v in base.items()}
    present = np.ones(active.shape, bool)
    present[GAP, [c[0] == "platform-d" for c in cells]] = False
    base = {k: v * present for k, v in base.items()}
    return City(
        minutes=[end - timedelta(minutes=length - 1 - i) for i in range(length)],
        cells=cells,
        closed=np.arange(length) < length - OPEN,
        present=present,
        figures={
            f"{name}_{w}m": _rolled(v, w, name in GAUGES)
            for name, v in base.items()
            for w in WINDOWS
        },
    )


_ORDER_FEN = {
    "food": 5_200, "apparel": 11_800, "household": 6_900,
    "cosmetics": 16_400, "jewellery": 48_000, "agricultural": 4_100,
}  # fmt: skip


def _rolled(values: np.ndarray, window: int, gauge: bool) -> np.ndarray:
    shifted = [
        np.vstack([np.zeros_like(values[:k]), values[: len(values) - k]]) for k in range(window)
    ]
    return np.max(shifted, axis=0) if gauge else np.sum(shifted, axis=0)


def load(client: Any, city: City) -> None:
    """Fills the tables through clickhouse-driver, as columns."""
    rows = np.argwhere(city.present)
    minute, cell = rows[:, 0], rows[:, 1]
    columns: dict[str, list[Any]] = {
        "minute": [city.minutes[i] for i in minute],
        "platform_id": [city.cells[i][0] for i in cell],
        "category": [city.cells[i][1] for i in cell],
        "district": [city.cells[i][2] for i in cell],
        "closed": city.closed[minute].astype(int).tolist(),
        "version": [1] * len(rows),
    }
    columns |= {name: v[minute, cell].tolist() for name, v in city.figures.items()}
    _insert(client, "indicators_cell", columns)
    _insert_rows(client, "flag_events", flag_events(city.minutes[-1]))
    _insert_rows(client, "completeness", completeness(city.minutes))


def _insert_rows(client: Any, table: str, rows: list[dict[str, Any]]) -> None:
    _insert(client, table, {name: [r[name] for r in rows] for name in rows[0]})


def _insert(client: Any, table: str, columns: dict[str, list[Any]]) -> None:
    names = ", ".join(columns)
    client.execute(f"INSERT INTO {table} ({names}) VALUES", list(columns.values()), columnar=True)


def completeness(minutes: list[datetime]) -> list[dict[str, Any]]:
    """Running totals every ten minutes; one source has a gap, one has fallen silent."""
    found = []
    for platform in PLATFORMS:
        silent = platform == "platform-d"
        for source in ("gateway-1", "gateway-2"):
            for partition in range(4):
                for index in range(9, len(minutes), 10):
                    heard = min(index, 150) if silent and source == "gateway-2" else index
                    found.append(
                        {
                            "minute": minutes[index],
                            "platform_id": platform,
                            "source": f"{platform}-{source}",
                            "topic": "telemetry.viewers.v1",
                            "kafka_partition": partition,
                            "epoch": 1,
                            "next_sequence": 12 * heard,
                            "gaps": 3 if platform == "platform-c" and partition == 2 else 0,
                            "batches": 12 * heard,
                            "rows": 12 * heard * 460,
                            "duplicates": 2 if partition == 1 else 0,
                            "late_rows": heard // 7,
                            "refused": 5 if platform == "platform-b" else 0,
                            "watermark": minutes[heard] + timedelta(seconds=50),
                            "version": 1,
                        }
                    )
    return found


@dataclass(frozen=True)
class Spike:
    """A flag's course, in minutes before the end."""

    entity_type: str
    entity: str
    platform: str
    category: str
    name_zh: str
    name_en: str
    began: int
    grades: tuple[str, ...]
    observed: int
    expected: float
    cleared: int | None = None


_M = "9f3c51d07ab24e8896b1c0de44aa7712"
_S = "4be07f2219cc4d03a85e6610d9f3b7c5"
_M2 = "c07d2a914f6e4bb3a6d2f1187e905b3c"
SPIKES = (
    Spike("merchant", _M, "platform-b", "jewellery", "商家 M-9f3c", "Merchant M-9f3c", 24,
          ("watch", "raised", "critical"), 54, 2.9),
    Spike("session", _S, "platform-b", "jewellery", "场次 S-4be0", "Session S-4be0", 22,
          ("raised",), 21, 1.2),
    Spike("category", "platform-a/food", "platform-a", "food", "platform-a 平台的食品品类",
          "Category Food on platform-a", 47, ("watch", "raised"), 63, 27.4),
    Spike("platform", "platform-c", "platform-c", "", "平台 platform-c", "Platform platform-c", 9,
          ("watch",), 48, 30.6),
    Spike("merchant", _M2, "platform-a", "apparel", "商家 M-c07d", "Merchant M-c07d", 14,
          ("watch",), 9, 1.8),
    Spike("merchant", _M[::-1], "platform-c", "cosmetics", "商家 M-2177", "Merchant M-2177", 96,
          ("raised", "critical"), 38, 3.3, cleared=31),
    Spike("session", _S[::-1], "platform-d", "agricultural", "场次 S-5c7b", "Session S-5c7b", 81,
          ("watch",), 7, 0.9, cleared=40),
)  # fmt: skip


def flag_events(end: datetime) -> list[dict[str, Any]]:
    return [row for spike in SPIKES for row in _course(spike, end)]


def _course(spike: Spike, end: datetime) -> list[dict[str, Any]]:
    onset = end - timedelta(minutes=spike.began)
    steps = [
        ("opened" if i == 0 else "escalated", g, 2 + 5 * i) for i, g in enumerate(spike.grades)
    ]
    if spike.cleared is not None:
        steps.append(("cleared", spike.grades[-1], spike.began - spike.cleared))
    return [_event(spike, onset, *step) for step in steps]


def _event(spike: Spike, onset: datetime, event: str, grade: str, after: int) -> dict[str, Any]:
    decided = onset + timedelta(minutes=after)
    start, stop = (f"{t + timedelta(hours=8):%H:%M}" for t in (onset, decided))
    times = spike.observed / spike.expected
    orders = round(spike.expected / 0.0011)
    zh_grade = {"watch": "关注", "raised": "升高", "critical": "严重"}[grade]
    return {
        "flag_id": f"{spike.entity_type}:{spike.entity}:F01:{int(onset.timestamp())}",
        "event": event,
        "grade": grade,
        "rule": "F01",
        "entity_type": spike.entity_type,
        "entity": spike.entity,
        "platform_id": spike.platform,
        "category": spike.category,
        "parent_id": "",
        "onset": onset,
        "event_time": decided,
        "decided_at": decided,
        "observed": float(spike.observed),
        "expected": spike.expected,
        "exposure": float(orders),
        "window_s": 3600,
        "score": 9.1,
        "threshold": 6.2,
        "rule_version": "1",
        "sentence_zh": (
            f"{spike.name_zh} 在 {start}–{stop} 收到 {spike.observed} 起投诉"
            f"(对应约 {orders:,} 笔订单),平时同样的订单量约为 {spike.expected:.1f} 起"
            f"(约 {times:.1f} 倍),已达「{zh_grade}」级别。"
        ),
        "sentence_en": (
            f"{spike.name_en} received {spike.observed} complaints between {start} and {stop} "
            f"(on about {orders:,} orders); about {spike.expected:.1f} would be usual for as many "
            f"orders "
            f'(about {times:.1f} times): grade "{grade}".'
        ),
        "version": 1,
    }
