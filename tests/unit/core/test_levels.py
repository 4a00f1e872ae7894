"""Roll-ups of the complaint spike: a rise everywhere is one alert, the city's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.flags import FlagEvent
from pipelines.core.partials import Partial, Rows
from pipelines.core.rollup.levels import Levels

PLATFORMS, CATEGORIES, SHOPS = ("p1", "p2", "p3", "p4"), ("apparel", "food"), 3
HISTORY, RISE = 2 * 288, 9
FIRST = 5_966_000
ORDERS, USUAL = 800, 0.4
"""A merchant's orders and complaints a bin."""
MERCHANTS = [
    (p, f"{p}{c[0]}{n:030}", c) for p in PLATFORMS for c in CATEGORIES for n in range(SHOPS)
]


def told(bin_: int, complaints: np.ndarray) -> Partial:
    """One partition's last minute of a bin, with all that the bin had."""
    orders = np.full(len(MERCHANTS), ORDERS)
    shops = Rows(list(MERCHANTS), {"orders": orders, "complaints": complaints})
    cells = [(p, c, "310101") for p in PLATFORMS for c in CATEGORIES]
    sums = {
        "orders": orders.reshape(-1, SHOPS).sum(axis=1),
        "complaints": complaints.reshape(-1, SHOPS).sum(axis=1),
        "seen": np.ones(len(cells), np.int64),
    }
    minute = 5 * bin_ + 4
    return Partial(0, minute, True, minute, 1, 0, Rows(cells, sums), shops)


def flags_of(factor: Callable[[str], float]) -> dict[str, FlagEvent]:
    """Flags that open in three quarters of an hour in which a merchant of platform p complains
    `factor(p)` times as much, by id."""
    rng, levels, found = np.random.default_rng(4), Levels(DEFAULT_POLICY), {}
    times = np.array([factor(p) for p, _, _ in MERCHANTS])
    for bin_ in range(FIRST, FIRST + HISTORY + RISE):
        now = times if bin_ >= FIRST + HISTORY else 1.0
        partial = told(bin_, rng.poisson(USUAL * np.broadcast_to(now, len(MERCHANTS))))
        counts, heard = levels.counts([partial])
        for flag in levels.close_minute(partial.minute, counts, heard, 0):
            if bin_ >= FIRST + HISTORY and flag.event == "opened":
                found[flag.flag_id] = flag
    return found


@pytest.fixture(scope="module")
def everywhere() -> dict[str, FlagEvent]:
    """Wide from its first bin on, though the hour of what is compared is mostly of before."""
    return flags_of(lambda _: 10.0)


def test_a_rise_on_all_platforms_is_one_alert_of_the_city(everywhere: dict[str, FlagEvent]) -> None:
    alone = [flag for flag in everywhere.values() if not flag.parent_id]
    assert [(flag.entity_type, flag.entity, flag.platform_id) for flag in alone] == [
        ("city", "all", "")
    ]
    platforms = [f for f in everywhere.values() if f.entity_type == "platform"]
    assert {f.platform_id for f in platforms} == set(PLATFORMS)
    assert {f.parent_id for f in platforms} == {alone[0].flag_id}


def test_every_narrower_flag_leads_up_to_the_city(everywhere: dict[str, FlagEvent]) -> None:
    assert {"category", "cell", "merchant"} <= {f.entity_type for f in everywhere.values()}
    for flag in everywhere.values():
        above = flag
        while above.parent_id:
            above = everywhere[above.parent_id]
        assert above.entity_type == "city", flag.flag_id


def test_a_rise_of_one_platform_is_not_explained_by_the_city() -> None:
    """The city's sum rises too, but not without this platform."""
    found = flags_of(lambda platform: 8.0 if platform == "p3" else 1.0)
    platforms = [f for f in found.values() if f.entity_type == "platform"]
    assert [(f.platform_id, f.parent_id) for f in platforms] == [("p3", "")]
    assert not any(f.parent_id.startswith("F01:city") for f in found.values())
