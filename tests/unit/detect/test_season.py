"""Seasons and festivals reach the detector: the second stage's levels over a whole day.

day (Shanghai)   10-13        10-14, Double 11 begins
orders           by the hour  by the hour, three times as many from midnight
complaints       follow the orders within minutes, and by the hour: most in the morning
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipelines.agents.fold import FoldStage
from pipelines.agents.rollup import RollupStage
from pipelines.backtest.learn_season import Row, learn
from pipelines.backtest.read import InputError
from pipelines.core.detect import DEFAULT_POLICY, EpisodeEvent, EventKind, Grade
from pipelines.core.detect.season import CITY, NO_SEASON, Season, orders_may_jump
from pipelines.core.rollup.levels import Levels
from pipelines.instruments import Instruments
from pipelines.season import SeasonError, SeasonFile, seasonal

PLATFORMS, CATEGORIES, SHOPS = ("p1", "p2"), ("apparel", "food"), 3
MERCHANTS = [
    (p, f"{p}{c[0]}{n:030}", c) for p in PLATFORMS for c in CATEGORIES for n in range(SHOPS)
]
ORDERS, RATE = 4000.0, 2e-3
"""A merchant's orders a bin, and complaints per order, both on average."""
STAYS = 0.5
"""Of those who will complain, after a bin: half of them do within five minutes."""
DAY = 288
BEGINS = (EventKind.OPENED, EventKind.ESCALATED)
FESTIVAL = "2026-10-14"
ORDINARY = "2026-09-16"


def local_hours(bins: np.ndarray) -> np.ndarray:
    return (bins / 12 + 8) % 24


def shopping(bins: np.ndarray) -> np.ndarray:
    """Orders by the hour: few at four in the morning, most at eight in the evening."""
    return 1 + 0.7 * np.cos((local_hours(bins) - 20) * np.pi / 12)


def complaining(bins: np.ndarray) -> np.ndarray:
    """Complaints per order by the hour: most at ten in the morning."""
    return 1 + 0.8 * np.cos((local_hours(bins) - 10) * np.pi / 12)


def first_bin(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T00:00:00+08:00").timestamp()) // 300


@cache
def learned() -> Season:
    """From 28 settled ordinary days before."""
    rng, first, rows = np.random.default_rng(9), first_bin("2026-08-10") // 12, list[Row]()
    for hour in range(first, first + 28 * 24):
        bins = np.arange(12 * hour, 12 * hour + 12)
        for p in PLATFORMS:
            for c in CATEGORIES:
                sold = SHOPS * ORDERS * shopping(bins)
                due = float((sold * complaining(bins)).sum()) * RATE
                rows.append((hour, p, c, int(rng.poisson(due)), int(sold.sum())))
    return SeasonFile.from_json(learn(rows).to_json()).season()


def flags(
    day: str, season: Season, spike: Sequence[int] = (), hours: int = 24, seed: int = 4
) -> list[tuple[str, EpisodeEvent]]:
    """(entity, transition) above watch on `day`, of platforms and merchants; a day is before.

    In the bins `spike` of the day the first merchant's complaints come eight times as often.
    """
    rng, levels = np.random.default_rng(seed), Levels(DEFAULT_POLICY, season)
    begins, found = first_bin(day), []
    waiting = np.full(len(MERCHANTS), ORDERS * STAYS / (1 - STAYS))
    levels.merchant.slots([m[:2] for m in MERCHANTS], [m[2] for m in MERCHANTS])
    levels.platform.slots([(p,) for p in PLATFORMS], [""] * len(PLATFORMS))
    for bin_ in range(begins - DAY, begins + hours * 12):
        at, times = np.array([bin_]), np.ones(len(MERCHANTS))
        sold = rng.poisson(ORDERS * shopping(at) * (3 if bin_ >= begins else 1), len(MERCHANTS))
        waiting = waiting + sold
        times[0] = 8.0 if bin_ - begins in spike else 1.0
        complaints = rng.poisson((1 - STAYS) * waiting * RATE * complaining(at) * times)
        waiting = waiting * STAYS
        for level, parts in ((levels.platform, len(PLATFORMS)), (levels.merchant, len(MERCHANTS))):
            c, o = (x.reshape(parts, -1).sum(axis=1) for x in (complaints, sold))
            known = np.ones(parts, bool)
            for event in level.monitor.close_minute(5 * bin_ + 4, c, o, known):
                above = event.kind in BEGINS and event.grade > Grade.WATCH
                if bin_ >= begins and above:
                    found.append((level.entity(event.series).id, event))
    return found


def test_a_festival_in_season_is_no_anomaly() -> None:
    assert flags(FESTIVAL, learned()) == []


def test_a_spike_on_top_of_it_is_found_within_an_hour() -> None:
    found = flags(FESTIVAL, learned(), range(24, 36), hours=3)
    assert MERCHANTS[0][1] in {entity for entity, _ in found}
    assert {entity for entity, _ in found} <= {MERCHANTS[0][1], MERCHANTS[0][0]}
    assert min(one.bin_start_ms for _, one in found) >= 300_000 * (first_bin(FESTIVAL) + 24)


def test_without_what_was_learned_the_hours_are_rises() -> None:
    assert flags(FESTIVAL, NO_SEASON, hours=12)


def test_the_same_jump_on_a_day_that_no_calendar_knows_is_a_rise() -> None:
    assert flags(ORDINARY, learned(), hours=2)


def test_both_stages_hand_the_season_to_every_level() -> None:
    fold = FoldStage(0, 1, Instruments(), season=learned()).state
    fold.groups["p1", "food"] = 0
    roll = RollupStage(1, season=learned()).state.levels
    roll.merchant.slots([("p1", "m")], ["food"])
    morning = 300_000 * (first_bin("2026-09-08") + 10 * 12)
    factors = [
        m.season.factor(morning, np.array([0])) for m in (fold.monitor, roll.merchant.monitor)
    ]
    assert factors[0] == factors[1] == pytest.approx(learned().hours["p1/food"][24 + 10])
    for level in roll.all():
        level.slots([("p1", "food", "310101")], ["food"])
        assert level.monitor.season.factor(morning, np.array([0])) > 1.3, level.kind


def test_the_hours_are_learned_as_they_are() -> None:
    """Relative to orders an hour ago, as the detector lags them: so the lag is learned, too."""
    bins = np.arange(-DAY, 7 * DAY) + first_bin("2026-08-10")  # a Monday
    sold, lagged, keep = shopping(bins), [1.0], 0.5 ** (1 / 12)
    for one in sold:
        lagged.append(keep * lagged[-1] + (1 - keep) * one)
    due = (sold * complaining(bins))[DAY:].reshape(168, 12).sum(axis=1)
    usual = np.array(lagged[1:])[DAY:].reshape(168, 12).sum(axis=1)
    true = due / usual * usual.sum() / due.sum()
    np.testing.assert_allclose(learned().hours[CITY], true, rtol=0.2)
    assert set(learned().hours) == {"", "p1", "p2", "food", "apparel"} | {
        f"{p}/{c}" for p in PLATFORMS for c in CATEGORIES
    }


def test_a_festival_of_the_past_has_a_factor() -> None:
    """Twice the complaints per order on 2025-11-10 and 11; ordinary before and after."""
    first = first_bin("2025-09-15") // 12
    rows, peak = [], first_bin("2025-11-10") // 12
    for hour in range(first, first + 70 * 24):
        due = 200 if peak <= hour < peak + 48 else 100
        rows.append((hour, "p1", "food", due, 100_000))
    made = learn(rows)
    assert made.events["double_11_peak"] == pytest.approx(2.0, rel=0.05)
    season = made.season()
    at = [int(datetime(2026, 11, d, 4, tzinfo=UTC).timestamp()) * 1000 for d in (10, 25)]
    assert season.factor("p1/food", at[0]) == pytest.approx(2.0, rel=0.05)
    assert season.factor("p9/other", at[1]) == pytest.approx(1.0, rel=0.02)


def test_a_history_of_festivals_alone_is_refused() -> None:
    first = first_bin("2026-05-02") // 12
    rows = [(first + h, "p1", "food", 5, 1000) for h in range(30 * 24)]
    with pytest.raises(InputError, match="without a festival"):
        learn(rows)


@pytest.mark.parametrize(
    ("time", "jumps"),
    [
        ("2026-10-13T19:59", False),
        ("2026-10-13T20:00", True),  # the evening before Double 11 begins
        ("2026-10-14T23:59", True),
        ("2026-10-15T00:00", False),
        ("2026-11-11T12:00", True),  # its peak, a short event
        ("2026-11-25T12:00", False),
        ("2026-05-01T00:00", True),  # first launches begin, too
    ],
)
def test_orders_may_jump_where_the_calendar_says_so(time: str, jumps: bool) -> None:
    ms = round(datetime.fromisoformat(f"{time}:00+08:00").timestamp() * 1000)
    assert orders_may_jump(ms) is jumps


WEEK = "[" + ", ".join(["1.0"] * 168) + "]"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[", "is not JSON"),
        ('{"format": 2, "rule": "F01"}', "format, rule"),
        ('{"format": 1, "rule": "F01"}', "hours: must be an object"),
        ('{"format": 1, "rule": "F01", "hours": {"": [1]}, "events": {}}', "hours.: must be 168"),
        (
            f'{{"format": 1, "rule": "F01", "hours": {{"": {WEEK}}}, "events": {{"easter": 2}}}}',
            "events.easter: is not in the calendar",
        ),
        (
            f'{{"format": 1, "rule": "F01", "hours": {{"": {WEEK}}}, "events": {{"618": 99}}}}',
            "events.618: factors must be",
        ),
    ],
)
def test_a_wrong_file_is_refused_by_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "season.json"
    path.write_text(text)
    with pytest.raises(SeasonError, match=named) as error:
        seasonal(path)
    assert str(path) in str(error.value)


def test_a_worker_without_a_file_knows_the_calendar_alone() -> None:
    assert seasonal(None) is NO_SEASON
