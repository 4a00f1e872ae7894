"""F09, F10 and F12 injected into the simulator, found by both real stages, and quiet without.

minutes    0     20        35   40   50              80
injected         |==F10=========|                          a session without a certificate grows
                 |==F09==============|                     a platform's reviews stay away
                 |==F02=========================|          F12: three kinds of offences ...
                           |==F08===============|
                                     |==F01=====|          ... all at one merchant
"""

from __future__ import annotations

from functools import cache

import pytest

from producers.simulate.requests import Request, others
from tests.unit.rules.city_day import MINUTE, CityDay

NOON = 1_763_956_800_000
SEEDS = (3, 14, 27)
KINDS = ("F09", "F10", "F12")
LAST = 80


@cache
def day(kind: str, seed: int) -> CityDay:
    (request,) = others([kind], 20 * MINUTE, LAST * MINUTE)
    return CityDay([request], seed, NOON, LAST + 10)


@cache
def clean(seed: int) -> CityDay:
    return CityDay([], seed, NOON, LAST + 10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_on_what_was_hit_and_on_nothing_else(kind: str, seed: int) -> None:
    run = day(kind, seed)
    anomaly = run.truth[0]
    assert anomaly.kind == kind
    found = list(run.told(kind))
    assert {one.entity for one in found} == {anomaly.entity_id}
    assert {one.entity_type for one in found} == {anomaly.entity_type}
    assert anomaly.start_ms < found[0].event_time <= anomaly.end_ms + 5 * MINUTE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_stretch_stays_quiet(kind: str, seed: int) -> None:
    assert list(clean(seed).told(kind)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_repeated_is_in_the_truth_and_found_by_itself(seed: int) -> None:
    run = day("F12", seed)
    merchant = run.truth[0].entity_id
    assert [a.kind for a in run.truth] == ["F12", "F02", "F08", "F01"]
    assert {a.entity_id for a in run.truth} == {merchant}
    for rule in ("F02", "F08", "F01"):
        assert merchant in {one.entity for one in run.told(rule)}


def test_a_fifth_of_the_sessions_without_a_review_is_no_gap() -> None:
    request = Request("F09", 20 * MINUTE, 30 * MINUTE, factor=0.8)
    assert list(CityDay([request], SEEDS[0], NOON, 60).told("F09")) == []
