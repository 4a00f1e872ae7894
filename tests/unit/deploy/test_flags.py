"""Which flags are owed, which are explained, which are false.

spike on session s1 of merchant m1, food on alpha     |====|
flags that it explains                                |====|..one hour..|
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploy.check.flags import Decision, Entity, judge
from producers.simulate.anomalies import HOUR_MS, Anomaly

START, END = 10 * HOUR_MS, 10 * HOUR_MS + 1_800_000
SPIKE = Anomaly(
    id="a01", kind="F01", entity_type="session", entity_id="s1", platform="alpha",
    category="food", district="310101", merchant_pid="m1", start_ms=START, end_ms=END,
    factor=9.0, excess=30.0, expected_excess=30.0,
)  # fmt: skip
ALPHA: Entity = ("platform", "alpha")
FOOD: Entity = ("category", "alpha/food")


def _flag(entity: Entity, grade: str = "raised", at: int = START + 600_000, *around: Entity):
    name = f"F01:{entity[0]}/{entity[1]}"
    return Decision(name, grade, at, entity, frozenset({entity, *around}))


CELL: Entity = ("cell", "alpha/food/310101")


@pytest.mark.parametrize(
    "entity", [("session", "s1"), ("merchant", "m1"), CELL, FOOD, ALPHA], ids=str
)
def test_a_spike_is_found_on_itself_or_on_what_contains_it(entity: Entity) -> None:
    report = judge([SPIKE], [_flag(entity)])
    assert (report.injected, report.found) == (1, 1)
    assert report.spikes[0].delay_s == 600
    assert report.false_flags == {"watch": 0, "raised": 0, "critical": 0}


@pytest.mark.parametrize(
    "flag",
    [
        _flag(("session", "s1"), "watch"),
        _flag(("session", "s1"), "critical", START - 1),
        _flag(("session", "s1"), "critical", END + HOUR_MS + 1),
        _flag(("session", "s2"), "critical"),
        _flag(("category", "beta/food"), "critical"),
        _flag(("cell", "alpha/food/310104"), "critical"),
    ],
    ids=[
        *("only watched", "before it", "too late", "another session", "another platform"),
        "another district",
    ],
)
def test_it_is_not_found_by_anything_else(flag: Decision) -> None:
    assert judge([SPIKE], [flag]).found == 0


def test_a_flag_on_a_part_of_what_was_hit_is_explained() -> None:
    on_merchant = replace(SPIKE, entity_type="merchant", entity_id="m1")
    report = judge([on_merchant], [_flag(("session", "s9"), "raised", START, ("merchant", "m1"))])
    assert report.found == 0, "a part is no proof that the whole was found"
    assert sum(report.false_flags.values()) == 0


def test_an_unexplained_flag_counts_once_at_its_highest_grade() -> None:
    other: Entity = ("session", "s2")
    flags = [_flag(other, "watch"), _flag(other, "critical"), _flag(other, "raised")]
    assert judge([SPIKE], flags).false_flags == {"watch": 0, "raised": 0, "critical": 1}


def test_a_spike_that_is_too_small_is_not_owed_but_explains() -> None:
    small = replace(SPIKE, expected_excess=7.9)
    report = judge([small], [_flag(("session", "s1"))])
    assert (report.injected, report.found) == (0, 0)
    assert sum(report.false_flags.values()) == 0


def test_each_rule_is_judged_by_the_anomalies_of_its_own_kind() -> None:
    shop: Entity = ("merchant", "m1")
    refunds = replace(_flag(shop, "critical"), rule="F05")
    assert judge([SPIKE], [refunds]).found == 0
    assert judge([SPIKE], [refunds]).false_flags["critical"] == 1
    surge = replace(SPIKE, kind="F05", entity_type="merchant", entity_id="m1")
    assert judge([surge], [refunds]).false_flags["critical"] == 0
    late = replace(_flag(shop, "raised", END + 9 * HOUR_MS), rule="F12")
    assert judge([surge], [late]).false_flags["raised"] == 0


def test_streamers_agencies_and_the_city_are_explained_by_what_they_contain() -> None:
    for level in ("streamer", "mcn"):
        flag = _flag((level, "x"), "raised", START, ("session", "s1"), ("merchant", "m1"))
        assert judge([SPIKE], [flag]).false_flags["raised"] == 0
    city = Decision("F01:city", "raised", START, ("city", "all"), frozenset())
    assert judge([SPIKE], [city]).false_flags["raised"] == 0
