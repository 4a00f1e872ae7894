"""Readers of the database as processes of the engine: what each reads, and what a mistake opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.check import roles
from deploy.check.roles.city import DATABASE, City
from deploy.operations.access_rules import NONE, Grant, Policy, Reader, Rules

ONE, TWO, TAX = "livewatch_platform_p-one", "livewatch_platform_p-two", "livewatch_tax"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return roles.make(tmp_path_factory.mktemp("roles"))


def reader(city: City, role: str) -> Reader:
    return next(r for r in city.rules.readers if r.role == role)


@pytest.mark.parametrize(
    "role",
    [
        "livewatch_commission",
        "livewatch_association",
        TAX,
        ONE,
        "livewatch_district_310101",
        "livewatch_district_310120",  # nothing is sold there
    ],
)
def test_it_reads_its_own_and_nothing_else(city: City, tmp_path: Path, role: str) -> None:
    assert roles.attack_as(city, reader(city, role), tmp_path) == []


def without(rules: Rules, which: Callable[[Policy], bool]) -> Rules:
    return replace(rules, policies=tuple(p for p in rules.policies if not which(p)))


def test_a_policy_that_is_missing_is_found(city: City, tmp_path: Path) -> None:
    mutant = without(city.rules, lambda p: p.name == ONE and p.table == "raw_orders")
    found = roles.with_a_mistake(city, reader(city, ONE), tmp_path, mutant)
    assert any("raw_orders" in line for line in found)


def test_policies_of_those_without_rows_are_needed(city: City, tmp_path: Path) -> None:
    """They are no more than "none": without them a grant by mistake opens all."""
    mutant = without(city.rules, lambda p: p.condition == NONE)
    found = roles.with_a_mistake(city, reader(city, TAX), tmp_path, mutant)
    assert any("raw_orders" in line for line in found)


@pytest.mark.parametrize("given", [DATABASE, TWO])
def test_a_grant_that_is_too_wide_is_found(city: City, tmp_path: Path, given: str) -> None:
    mutant = replace(city.rules, grants=(*city.rules.grants, Grant(given, ONE)))
    found = roles.as_granted(city, reader(city, ONE), tmp_path, mutant)
    assert any("not refused" in line for line in found)


def test_views_with_the_rows_of_another_are_found(city: City, tmp_path: Path) -> None:
    """The database of one, whose process should be two."""
    wrong = replace(reader(city, ONE), value="p-two")
    found = roles.as_granted(city, wrong, tmp_path)
    assert any("are its own: SELECT" in line and "v_orders" in line for line in found)
