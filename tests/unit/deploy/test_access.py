"""One definition of who may read what, as SQL for a server and as users of the embedded engine."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

import pytest

from deploy.operations import access_xml
from deploy.operations.access_rules import DEFINER, Grant, Rules, Warehouse, rules
from deploy.operations.access_sql import statements

CUT = frozenset({"platform_id", "district", "orders"})
WAREHOUSE = Warehouse(
    "livewatch",
    {
        "v_orders": CUT,
        "v_completeness": frozenset({"platform_id"}),
        "v_published_day": frozenset({"district"}),
        "v_shared_day": frozenset({"platform_id"}),
        "v_flags": frozenset({"platform_id"}),
        "v_calibrations": frozenset({"rule"}),
    },
    {"raw_orders": CUT, "ledger": frozenset({"hash"})},
    ("ingest", "admin"),
)
PLATFORMS = ["p-one", "p.two"]
ONE = "livewatch_platform_p-one"


@pytest.fixture
def wanted() -> Rules:
    return rules(WAREHOUSE, PLATFORMS)


def rows(wanted: Rules, role: str, table: str) -> str:
    found = [p.condition for p in wanted.policies if p.table == table and role in p.to]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("role", "orders", "ledger"),
    [
        (ONE, "platform_id = 'p-one'", "0"),
        ("livewatch_district_310101", "district = '310101'", "0"),
        ("livewatch_tax", "0", "0"),
        ("livewatch_association", "0", "0"),
        ("livewatch_commission", "1", "1"),
        (DEFINER, "1", "1"),
        ("ingest", "1", "1"),
        ("admin", "1", "1"),
    ],
)
def test_each_is_named_for_each_table(wanted: Rules, role: str, orders: str, ledger: str) -> None:
    """Whom no policy names would see everything, by a server's default."""
    assert rows(wanted, role, "raw_orders") == orders
    assert rows(wanted, role, "ledger") == ledger


def test_all_of_it_is_in_the_sql(wanted: Rules) -> None:
    sql = [s.replace("`", "") for s in statements(WAREHOUSE, PLATFORMS)]
    for policy in wanted.policies:
        to = ", ".join(policy.to)
        head = f"CREATE ROW POLICY OR REPLACE {policy.name} ON livewatch.{policy.table}"
        assert sql.count(f"{head} USING {policy.condition} TO {to}") == 1
    for given in wanted.grants:
        assert sql.count(f"GRANT SELECT ON {given.database}.* TO {given.to}") == 1
    assert len([s for s in sql if s.startswith("GRANT")]) == len(wanted.grants)
    for view in wanted.views:
        end = f"VIEW {view.database}.{view.name} DEFINER = {DEFINER} SQL SECURITY DEFINER AS "
        assert sql.count(f"CREATE OR REPLACE {end}{view.query}") == 1
    made = [s.split()[5] for s in sql if s.startswith("CREATE ROLE")]
    assert made == [r.role for r in wanted.readers]


def parsed(users: bytes) -> Element:
    return fromstring(users)  # noqa: S314 - our own


def user(users: bytes, name: str = "default") -> Element:
    found = parsed(users).find(f"users/{name}")
    assert found is not None
    return found


def filters(of: Element) -> dict[str, str | None]:
    return {e.tag: e.findtext("filter") for e in of.iterfind("databases/livewatch/*")}


def test_a_process_that_is_a_reader_has_its_rights_and_no_others(wanted: Rules) -> None:
    users = access_xml.reader(wanted, ONE)
    assert filters(user(users)) == {"raw_orders": "(platform_id = 'p-one')", "ledger": "(0)"}
    assert [q.text for q in user(users).iterfind("grants/query")] == ["GRANT reader"]
    role = parsed(users).find("roles/reader")
    assert role is not None
    assert [q.text for q in role.iterfind("grants/query")] == [f"GRANT SELECT ON `{ONE}`.*"]
    assert filters(user(users, DEFINER)) == {"raw_orders": "(1)", "ledger": "(1)"}
    limits = parsed(users).find("profiles/readers")
    assert limits is not None
    assert limits.findtext("readonly") == "2"
    assert limits.find("constraints/readonly/const") is not None
    assert limits.findtext("constraints/max_execution_time/max") == "20"


def test_a_policy_that_is_missing_is_missing_there_too(wanted: Rules) -> None:
    less = replace(wanted, policies=tuple(p for p in wanted.policies if p.table != "ledger"))
    assert filters(user(access_xml.reader(less, ONE))).keys() == {"raw_orders"}


def test_a_grant_by_mistake_is_that_of_the_user(wanted: Rules) -> None:
    users = access_xml.reader(wanted, ONE, [Grant("livewatch", ONE)])
    given = [q.text for q in user(users).iterfind("grants/query")]
    assert given == ["GRANT SELECT ON `livewatch`.*", "GRANT reader"]


@pytest.mark.parametrize("platform", ["x' OR 1 --", "a`b", "", "a b", "名"])
def test_a_hostile_platform_is_refused(platform: str) -> None:
    with pytest.raises(ValueError, match=re.escape("cannot be the name of a role")):
        rules(WAREHOUSE, [platform])
