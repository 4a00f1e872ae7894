"""No suppressed cell comes back by differencing: an attacker with a linear program tries.

The attacker (deploy/check/differencing.py) knows nothing of the method. That it can attack is shown
on tables in which only the revealing cells are suppressed, which is what the method is there for.
"""

from __future__ import annotations

import numpy as np
import pytest

from deploy.check.differencing import TOTAL, Cell, bounds, recovered
from pipelines.core.disclosure.cubes import SHARE
from pipelines.core.disclosure.days import COARSE, FLOOR, HOURLY, Day, Suppressed, T, suppress
from pipelines.core.disclosure.rows import rows
from pipelines.core.disclosure.rules import BETWEEN_AGENCIES, PUBLIC, Policy, revealing
from tests.unit.disclosure.worlds import as_read, world

SEEDS = (1, 3)
MEASURES = tuple(FLOOR)


@pytest.fixture(scope="module", params=SEEDS)
def decided(request: pytest.FixtureRequest) -> tuple[Day, Suppressed, Suppressed]:
    day = world(request.param)
    return (day, *suppress(day))


def test_no_suppressed_cell_is_recovered(decided: tuple[Day, Suppressed, Suppressed]) -> None:
    day, *outs = decided
    for out in outs:
        for measure in MEASURES:
            shown = as_read(day, out, measure)
            assert measure in COARSE or None in shown.cells.values()
            assert recovered(shown, FLOOR[measure]) == [], measure


def test_the_revealing_ones_are_left_wide_open(decided: tuple[Day, Suppressed, Suppressed]) -> None:
    """Of what must not be known, the attacker's interval is at least a fifth of the value."""
    day, agencies, _ = decided
    first = revealing(day.day.only(np.ones(len(day.day.who), bool)), BETWEEN_AGENCIES)
    for measure in ("sessions", "paid_fen"):
        table = day.day.table(measure)
        for found in bounds(as_read(day, agencies, measure), FLOOR[measure]):
            if found.cell[0] != TOTAL:
                continue
            at = tuple(T if p == TOTAL else int(p) for p in found.cell[1:])
            value = float(table[at])
            assert found.low - 1e-3 <= value <= found.high + 1e-3
            if first[at] and measure == "sessions":
                assert found.width >= SHARE * value * (1 - 1e-6)


def test_without_complements_the_attacker_succeeds() -> None:
    """Only the revealing cells suppressed: the totals give them away."""
    day = world(1)
    out = suppress(day)[0]
    naive = Suppressed(np.zeros(out.all.shape, bool), out.coarse)
    naive.all[T] = revealing(day.day, BETWEEN_AGENCIES)
    assert recovered(as_read(day, naive, "orders"), FLOOR["orders"])


def test_nobody_takes_their_own_part_away(decided: tuple[Day, Suppressed, Suppressed]) -> None:
    """A platform that knows its own figures, and a district's bureau that knows its district."""
    day, _, public = decided
    for platform in range(day.platforms):
        mine, mine_h = day.day.cells[:, 0] == platform, day.hours.cells[:, 1] == platform
        others = Day(day.hours.only(~mine_h), day.day.only(~mine))
        for measure in ("sessions", "paid_fen"):
            shown = as_read(others, public, measure)
            lost = recovered(shown, FLOOR[measure])
            assert not [b for b in lost if b.high > 0], (platform, measure)
    for district in range(day.day.shape[2]):
        for measure in ("sessions", "orders"):
            known = own_district(day, district, measure)
            shown = as_read(day, public, measure, known)
            assert recovered(shown, FLOOR[measure]) == [], (district, measure)


def own_district(day: Day, district: int, measure: str) -> dict[Cell, float]:
    table = day.day.table(measure)[T, :, district]
    there = day.day.table("sessions")[T, :T, district] > 0
    known = {
        (TOTAL, str(c), str(district)): float(table[c]) for c in np.flatnonzero(there).tolist()
    }
    return known | {(TOTAL, TOTAL, str(district)): float(table[T])}


def test_everybody_sees_no_more_than_agencies(decided: tuple[Day, Suppressed, Suppressed]) -> None:
    day, agencies, public = decided
    theirs = {r.index: r for r in rows(day, agencies)}
    for row in rows(day, public):
        other = theirs[row.index]
        for name, value in row.values.items():
            assert value is None or value == other.values[name]


def test_what_is_shown_keeps_the_rules(decided: tuple[Day, Suppressed, Suppressed]) -> None:
    """Counted again from the contributions, cell by cell."""
    day, agencies, public = decided
    for out, policy in ((agencies, BETWEEN_AGENCIES), (public, PUBLIC)):
        for row in rows(day, out):
            if not row.suppressed and row.index[0] is None:
                assert_fit_to_show(day, row.index[1:], policy)


def assert_fit_to_show(day: Day, index: tuple[int | None, ...], policy: Policy) -> None:
    inside = np.ones(len(day.day.who), bool)
    for axis, i in enumerate(index):
        inside &= True if i is None else day.day.cells[:, axis] == i
    assert len(set(day.day.who[inside])) >= policy.entities
    assert day.day.measures["sessions"][inside].sum() >= policy.least
    for name in (*HOURLY, "sessions"):
        values = day.day.measures[name][inside]
        assert values.max() <= policy.dominance * values.sum() or values.sum() == 0
        if name == "orders":
            assert values.sum() == 0 or values.sum() >= policy.least


def test_rare_counts_have_rules_of_their_own(decided: tuple[Day, Suppressed, Suppressed]) -> None:
    day, _, public = decided
    for row in rows(day, public):
        for name in COARSE:
            assert row.values[name] is None or row.values[name] in (0, *range(10, 10**6))


def test_a_city_of_one_merchant_says_nothing() -> None:
    day = world(5, shape=(1, 1, 1), merchants=1, sessions=40)
    for out in suppress(day):
        assert all(r.suppressed for r in rows(day, out))
