"""Roles, row policies, limits and quotas of a ClickHouse server, as SQL (access_rules.py)."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.operations.access_rules import (
    DEFINER,
    LIMITS,
    QUOTAS,
    Grant,
    Limit,
    Policy,
    Quota,
    Rules,
    Warehouse,
    rules,
)

READERS = "livewatch_readers"


def statements(warehouse: Warehouse, platforms: list[str]) -> Iterator[str]:
    """The SQL, in order; running it again changes nothing. ValueError as of `rules`."""
    wanted = rules(warehouse, platforms)
    roles = ", ".join(_quoted(r.role) for r in wanted.readers)
    yield f"CREATE USER IF NOT EXISTS {DEFINER} HOST NONE"
    yield from (f"CREATE ROLE IF NOT EXISTS {_quoted(r.role)}" for r in wanted.readers)
    yield from databases(wanted)
    yield from (f"{grant(g)} TO {_quoted(g.to)}" for g in wanted.grants)
    limits = ", ".join(_limit(one) for one in LIMITS)
    yield f"CREATE SETTINGS PROFILE OR REPLACE {READERS} SETTINGS {limits}"
    yield f"ALTER SETTINGS PROFILE {READERS} TO {roles}"
    quotas = ", ".join(_quota(one) for one in QUOTAS)
    yield f"CREATE QUOTA OR REPLACE {READERS} KEYED BY user_name {quotas} TO {roles}"
    yield from (_policy(wanted.database, p) for p in wanted.policies)


def databases(wanted: Rules) -> Iterator[str]:
    """The readers' databases with their views."""
    yield from (f"CREATE DATABASE IF NOT EXISTS {_quoted(r.role)}" for r in wanted.readers)
    for view in wanted.views:
        yield (
            f"CREATE OR REPLACE VIEW {_quoted(view.database)}.{view.name} DEFINER = {DEFINER} "
            f"SQL SECURITY DEFINER AS {view.query}"
        )


def grant(one: Grant) -> str:
    """Without the name of the one to whom it is given."""
    return f"GRANT SELECT ON {_quoted(one.database)}.*"


def _limit(one: Limit) -> str:
    bound = f"MAX {one.value}" if one.bound == "MAX" else one.bound
    return f"{one.setting} = {one.value} {bound}".rstrip()


def _quota(one: Quota) -> str:
    most = ", ".join(f"{name} = {value}" for name, value in one.most.items())
    return f"FOR INTERVAL {one.seconds} second MAX {most}"


def _policy(database: str, one: Policy) -> str:
    to = ", ".join(_quoted(name) for name in one.to)
    return (
        f"CREATE ROW POLICY OR REPLACE {_quoted(one.name)} ON {database}.{one.table} "
        f"USING {one.condition} TO {to}"
    )


def _quoted(name: str) -> str:
    return f"`{name}`"
