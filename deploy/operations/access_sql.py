"""Roles, row policies, limits and quotas of a ClickHouse server, as SQL: who may read what.

A reader has a database of its own with views that cut the warehouse's ones to its rows and read
with the definer's rights; it is granted nothing else. Row policies on the tables are the second
fence: a grant given by mistake shows a reader its own rows at most. Flags are not here: the sharing
API hands them out, since it knows levels, and writes down who looked.
"""

# ruff: noqa: S608 - SQL assembled from names of views and from ids that are plain words

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipelines.core.ledger.roles import Role
from schemas import codes

DEFINER = "livewatch_definer"
READERS = "livewatch_readers"
#: Of these every reader sees all: they name nobody.
_NOTES = ("v_hours",)
#: Views that only the commission reads: flags, the ledger, who looked, the inside of corrections.
_INSIDE = ("v_flag", "v_ledger", "v_access", "v_withdrawn", "v_silences", "v_shared", "v_published")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LIMITS = (
    "readonly = 2 CONST, max_execution_time = 20 MAX 20, max_memory_usage = 4000000000 MAX "
    "4000000000, max_result_rows = 1000000 MAX 1000000, max_concurrent_queries_for_user = 16"
)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """What there is: columns by view and by table, and the programs' own users."""

    database: str
    views: Mapping[str, frozenset[str]]
    tables: Mapping[str, frozenset[str]]
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """A role of the server. `column` and `value` are what its rows have; empty is all rows."""

    role: str
    views: tuple[str, ...]
    column: str = ""
    value: str = ""


def readers(warehouse: Warehouse, platforms: list[str]) -> list[Reader]:
    """Every role of DOMAIN section 2; a platform's and a district bureau's, one for each.

    Raises ValueError for the id of a platform that is no plain word.
    """
    published = tuple(v for v in warehouse.views if v.startswith("v_published_"))
    shared = tuple(v for v in warehouse.views if v.startswith("v_shared_"))
    own = [v for v in warehouse.views if not v.startswith(_INSIDE)]

    def cut(column: str, prefix: str, values: list[str]) -> list[Reader]:
        views = tuple(v for v in own if column in warehouse.views[v])
        all_of = (*(v for v in own if v in _NOTES), *published)
        return [Reader(f"{prefix}_{_word(v)}", (*views, *all_of), column, v) for v in values]

    city = set(Role) - {Role.COMMISSION, Role.ASSOCIATION, Role.PLATFORM, Role.DISTRICT_BUREAU}
    return [
        Reader("livewatch_commission", tuple(warehouse.views)),
        Reader("livewatch_association", published),
        *(Reader(f"livewatch_{r.value}", (*shared, *published)) for r in sorted(city)),
        *cut("district", "livewatch_district", [d for d in codes.DISTRICTS.names if d < "999999"]),
        *cut("platform_id", "livewatch_platform", sorted(platforms)),
    ]


def statements(warehouse: Warehouse, platforms: list[str]) -> Iterator[str]:
    """The SQL, in order; running it again changes nothing."""
    db = warehouse.database
    yield f"CREATE USER IF NOT EXISTS {DEFINER} HOST NONE"
    yield f"GRANT SELECT ON {db}.* TO {DEFINER}"
    yield f"CREATE SETTINGS PROFILE OR REPLACE {READERS} SETTINGS {_LIMITS}"
    all_readers = readers(warehouse, platforms)
    for reader in all_readers:
        yield from _of(warehouse, reader)
    names = ", ".join(_quoted(r.role) for r in all_readers)
    yield f"ALTER SETTINGS PROFILE {READERS} TO {names}"
    yield (
        f"CREATE QUOTA OR REPLACE {READERS} KEYED BY user_name FOR INTERVAL 1 minute "
        f"MAX queries = 600, execution_time = 120, FOR INTERVAL 1 day MAX read_rows = "
        f"20000000000 TO {names}"
    )
    programs = ", ".join(_quoted(p) for p in (DEFINER, *warehouse.programs))
    for table in warehouse.tables:
        # Any policy hides a table from everybody whom none names: the programs come first.
        yield f"CREATE ROW POLICY OR REPLACE programs ON {db}.{table} USING 1 TO {programs}"
        for reader in all_readers:
            if reader.column in warehouse.tables[table]:
                yield (
                    f"CREATE ROW POLICY OR REPLACE {_quoted(reader.role)} ON {db}.{table} "
                    f"USING {reader.column} = '{reader.value}' TO {_quoted(reader.role)}"
                )


def _of(warehouse: Warehouse, reader: Reader) -> Iterator[str]:
    """A role, its database of views, and the right to read these."""
    own, role = _quoted(reader.role), _quoted(reader.role)
    yield f"CREATE ROLE IF NOT EXISTS {role}"
    yield f"CREATE DATABASE IF NOT EXISTS {own}"
    for view in reader.views:
        shared = not reader.column or view in _NOTES or view.startswith("v_published_")
        where = "" if shared else f" WHERE {reader.column} = '{reader.value}'"
        yield (
            f"CREATE OR REPLACE VIEW {own}.{view} DEFINER = {DEFINER} SQL SECURITY DEFINER "
            f"AS SELECT * FROM {warehouse.database}.{view}{where}"
        )
    yield f"GRANT SELECT ON {own}.* TO {role}"


def _word(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{text!r} cannot be the name of a role")
    return text


def _quoted(name: str) -> str:
    return f"`{_word(name)}`"
