"""Who may read which rows, and pages: pure, against a table of what each role is for."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.core.ledger.roles import Actor, Role
from pipelines.sharing.page import (
    BadRequestError,
    Span,
    cursor,
    items,
    parse_cursor,
    query,
    span_of,
)
from pipelines.sharing.scope import ALL, Dataset, ForbiddenError, audience_of, require_own, rows_of
from pipelines.sharing.tables import COMPLETENESS, INDICATORS, PARTS, daily

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
OWN_CELLS = {Role.COMMISSION: {}, Role.PLATFORM: {"platform_id": "p01"},
             Role.DISTRICT_BUREAU: {"district": "310101"}}  # fmt: skip
CITY = {Role.COMMISSION, Role.MARKET_REGULATION, Role.CYBERSPACE, Role.CULTURE_TOURISM,
        Role.POLICE, Role.TAX, Role.CONSUMER_COUNCIL}  # fmt: skip


def actor(role: Role) -> Actor:
    platform = "p01" if role is Role.PLATFORM else ""
    return Actor("x", role, platform, "310101" if role is Role.DISTRICT_BUREAU else "")


@pytest.mark.parametrize("role", Role)
def test_rows_of_each_role(role: Role) -> None:
    one = actor(role)
    if role in OWN_CELLS:
        assert rows_of(one, Dataset.INDICATORS).equal == OWN_CELLS[role]
    else:
        with pytest.raises(ForbiddenError, match="disclosure control"):
            rows_of(one, Dataset.INDICATORS)
    if role in (Role.COMMISSION, Role.PLATFORM):
        assert rows_of(one, Dataset.COMPLETENESS).equal == OWN_CELLS[role]
    else:
        with pytest.raises(ForbiddenError):
            rows_of(one, Dataset.COMPLETENESS)
    assert audience_of(one) == ("shared" if role in CITY else "published")


@pytest.mark.parametrize("role", [Role.PLATFORM, Role.DISTRICT_BUREAU])
def test_an_account_that_is_bound_to_nothing_reads_nothing(role: Role) -> None:
    with pytest.raises(ForbiddenError):
        rows_of(Actor("x", role), Dataset.INDICATORS)


def test_only_city_agencies_see_platforms_apart() -> None:
    for part in PARTS:
        assert "platform_id" not in daily("published", part).columns
    assert "platform_id" in daily("shared", "day").key


def test_another_is_an_error_and_ones_own_is_not() -> None:
    own = rows_of(actor(Role.PLATFORM), Dataset.INDICATORS)
    require_own(own, {"platform_id": "p01", "district": "310115"})
    with pytest.raises(ForbiddenError, match="can only be p01"):
        require_own(own, {"platform_id": "p02"})


def test_no_value_is_ever_part_of_the_text() -> None:
    evil = "x' OR 1=1 --"
    own = rows_of(Actor("x", Role.PLATFORM, platform_id=evil), Dataset.INDICATORS)
    after = base64.urlsafe_b64encode(
        json.dumps(["2026-11-26T00:00:00Z", evil, evil, evil]).encode()
    ).decode()
    span = Span(NOW - timedelta(hours=1), NOW)
    sql, parameters = query(INDICATORS, own, span, {"category": evil}, after, 10)
    assert "OR 1=1" not in sql
    assert parameters["own_platform_id"] == evil
    assert parameters["asked_category"] == evil
    assert "platform_id = %(own_platform_id)s" in sql


def test_a_cursor_is_the_key_of_the_last_row() -> None:
    row = dict.fromkeys(INDICATORS.columns, 1)
    row |= {"minute": NOW.replace(tzinfo=None), "platform_id": "p", "category": "c",
            "district": "d"}  # fmt: skip
    found = parse_cursor(INDICATORS, cursor(INDICATORS, row))
    assert found == {name: row[name] for name in INDICATORS.key}
    with pytest.raises(BadRequestError):
        parse_cursor(daily("published", "day"), cursor(INDICATORS, row))
    with pytest.raises(BadRequestError):
        parse_cursor(COMPLETENESS, "%%%")


@pytest.mark.parametrize(
    ("begin", "end", "days"),
    [
        ("2026-11-25T16:00:00Z", "2026-11-26T15:59:59Z", ("2026-11-26", "2026-11-27")),
        ("2026-11-25T00:00:00+08:00", "2026-11-26T00:00:00+08:00", ("2026-11-25", "2026-11-26")),
        ("2026-11-25T15:59:00Z", "2026-11-25T16:01:00Z", ("2026-11-25", "2026-11-27")),
    ],
)
def test_days_are_those_of_shanghai(begin: str, end: str, days: tuple[str, str]) -> None:
    table = daily("published", "day")
    edges = table.edges(span_of(table, begin, end, NOW))
    assert edges == tuple(date.fromisoformat(day) for day in days)


def test_unknown_is_null_and_times_carry_their_offset() -> None:
    row = [NOW, "p", "c", "d", *[float("nan")] * 14]
    (one,) = items(INDICATORS, [row])
    assert one["minute"] == "2026-11-26T08:00:00Z"
    assert one["i22_completeness_5m"] is None


def test_rows_of_everybody_need_no_parameter() -> None:
    assert ALL.sql() == ("1", {})
