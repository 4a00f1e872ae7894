"""The same rights as a `users.xml` in which the user `default` is one of the readers.

The engine as a library has no storage for users that SQL makes, but reads this file where its
working directory has a `config.xml` that names it; its only session is that of `default`. So a
process can be made that is a reader, and shows what the rights are worth.

In such a file whoever has no filter for a table sees all of it, as on a server whose
`users_without_row_policies_can_read_rows` is on. Policies belong to users here, not to roles.
Quotas are left out: the library does not count queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from deploy.operations.access_rules import DEFINER, LIMITS, Grant, Policy, Rules
from deploy.operations.access_sql import grant

_ME, _ROLE, _READERS = "default", "reader", "readers"


def write(folder: Path, users: bytes) -> None:
    """Make `folder` a working directory in which the engine has these users."""
    folder.mkdir(parents=True)
    (folder / "users.xml").write_bytes(users)
    config = Element("clickhouse")
    SubElement(config, "users_config").text = str(folder / "users.xml")
    (folder / "config.xml").write_bytes(tostring(config))


def owner(rules: Rules) -> bytes:
    """The file of a process that may do everything: it makes the databases of the readers."""
    root = _root(rules)
    SubElement(_user(root, _ME), "access_management").text = "1"
    return _text(root)


def reader(rules: Rules, role: str, mistakes: Iterable[Grant] = ()) -> bytes:
    """The file of a process that has one role; `mistakes` are grants that it should not have."""
    root = _root(rules)
    _limit(_section(root, "profiles"))
    _grants(SubElement(_section(root, "roles"), _ROLE), _given(rules, role))
    me = _user(root, _ME, _READERS)
    SubElement(_grants(me, mistakes), "query").text = f"GRANT {_ROLE}"
    _filters(me, rules, role)
    return _text(root)


def _root(rules: Rules) -> Element:
    root = Element("clickhouse")
    for section in ("profiles", "quotas"):
        SubElement(_section(root, section), _ME)
    definer = _user(root, DEFINER)
    _grants(definer, _given(rules, DEFINER))
    _filters(definer, rules, DEFINER)
    return root


def _section(root: Element, name: str) -> Element:
    found = root.find(name)
    return SubElement(root, name) if found is None else found


def _user(root: Element, name: str, limited_by: str = _ME) -> Element:
    user = SubElement(_section(root, "users"), name)
    SubElement(user, "password")
    SubElement(SubElement(user, "networks"), "ip").text = "::/0"
    SubElement(user, "profile").text = limited_by
    SubElement(user, "quota").text = _ME
    return user


def _given(rules: Rules, to: str) -> Iterable[Grant]:
    return (g for g in rules.grants if g.to == to)


def _grants(of: Element, given: Iterable[Grant]) -> Element:
    grants = SubElement(of, "grants")
    for one in given:
        SubElement(grants, "query").text = grant(one)
    return grants


def _filters(user: Element, rules: Rules, name: str) -> None:
    database = SubElement(SubElement(user, "databases"), rules.database)
    conditions: dict[str, list[Policy]] = {}
    for policy in rules.policies:
        if name in policy.to:
            conditions.setdefault(policy.table, []).append(policy)
    for table, found in conditions.items():
        joined = " OR ".join(f"({p.condition})" for p in found)
        SubElement(SubElement(database, table), "filter").text = joined


def _limit(profiles: Element) -> None:
    profile = SubElement(profiles, _READERS)
    constraints = SubElement(profile, "constraints")
    for limit in LIMITS:
        SubElement(profile, limit.setting).text = str(limit.value)
        if limit.bound:
            bound = SubElement(SubElement(constraints, limit.setting), limit.bound.lower())
            bound.text = str(limit.value) if limit.bound == "MAX" else None


def _text(root: Element) -> bytes:
    indent(root)
    return tostring(root)
