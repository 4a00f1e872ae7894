"""Who may read what in a ClickHouse server: one definition, from which its SQL is made.

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
ALL, NONE = "1", "0"
#: Of these every reader sees all: they name nobody.
NOTES = ("v_hours",)
#: Views that only the commission reads: flags, the ledger, who looked, the inside of corrections.
_INSIDE = ("v_flag", "v_ledger", "v_access", "v_withdrawn", "v_silences", "v_shared", "v_published")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Warehouse:
    """What there is: columns by view and by table, and the programs' own users."""

    database: str
    views: Mapping[str, frozenset[str]]
    tables: Mapping[str, frozenset[str]]
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """A role of the server. `column` and `value` are what its rows have, `everything` all rows;
    with neither it reads figures under disclosure control and no row of a table."""

    role: str
    views: tuple[str, ...]
    column: str = ""
    value: str = ""
    everything: bool = False

    def rows(self, columns: frozenset[str]) -> str:
        """The condition that its rows of a table meet."""
        if self.column in columns:
            return f"{self.column} = '{self.value}'"
        return ALL if self.everything else NONE


@dataclass(frozen=True, slots=True)
class View:
    """A view in a reader's own database."""

    database: str
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to read all of a database."""

    database: str
    to: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Which rows of a table these users or roles see. Several of one user's are joined by OR."""

    name: str
    table: str
    condition: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting that a reader's queries have, and how far they may change it: CONST or MAX."""

    setting: str
    value: int
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """What a user may use in `seconds`."""

    seconds: int
    most: Mapping[str, int]


LIMITS = (
    Limit("readonly", 2, "CONST"),
    Limit("max_execution_time", 20, "MAX"),
    Limit("max_memory_usage", 4_000_000_000, "MAX"),
    Limit("max_result_rows", 1_000_000, "MAX"),
    Limit("max_concurrent_queries_for_user", 16),
)
QUOTAS = (
    Quota(60, {"queries": 600, "execution_time": 120}),
    Quota(86_400, {"read_rows": 20_000_000_000}),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """All of it."""

    database: str
    readers: tuple[Reader, ...]
    views: tuple[View, ...]
    grants: tuple[Grant, ...]
    policies: tuple[Policy, ...]


def readers(warehouse: Warehouse, platforms: list[str]) -> list[Reader]:
    """Every role of DOMAIN section 2; a platform's and a district bureau's, one for each.

    Raises ValueError for the id of a platform that is no plain word.
    """
    published = tuple(v for v in warehouse.views if v.startswith("v_published_"))
    shared = tuple(v for v in warehouse.views if v.startswith("v_shared_"))
    own = [v for v in warehouse.views if not v.startswith(_INSIDE)]

    def cut(column: str, prefix: str, values: list[str]) -> list[Reader]:
        views = tuple(v for v in own if column in warehouse.views[v])
        whole = (*(v for v in own if v in NOTES), *published)
        return [Reader(f"{prefix}_{_word(v)}", (*views, *whole), column, v) for v in values]

    city = set(Role) - {Role.COMMISSION, Role.ASSOCIATION, Role.PLATFORM, Role.DISTRICT_BUREAU}
    return [
        Reader("livewatch_commission", tuple(warehouse.views), everything=True),
        Reader("livewatch_association", published),
        *(Reader(f"livewatch_{r.value}", (*shared, *published)) for r in sorted(city)),
        *cut("district", "livewatch_district", [d for d in codes.DISTRICTS.names if d < "999999"]),
        *cut("platform_id", "livewatch_platform", sorted(platforms)),
    ]


def rules(warehouse: Warehouse, platforms: list[str]) -> Rules:
    """Views, grants and policies of all readers; ValueError as of `readers`."""
    found = tuple(readers(warehouse, platforms))
    grants = [Grant(warehouse.database, DEFINER), *(Grant(r.role, r.role) for r in found)]
    views = (_view(warehouse.database, r, v) for r in found for v in r.views)
    policies = _policies(warehouse, found)
    return Rules(warehouse.database, found, tuple(views), tuple(grants), tuple(policies))


def _view(database: str, reader: Reader, view: str) -> View:
    whole = not reader.column or view in NOTES or view.startswith("v_published_")
    where = "" if whole else f" WHERE {reader.column} = '{reader.value}'"
    return View(reader.role, view, f"SELECT * FROM {database}.{view}{where}")


def _policies(warehouse: Warehouse, found: tuple[Reader, ...]) -> Iterator[Policy]:
    """Whom no policy of a table names sees none of its rows or all of them, as the server's
    `users_without_row_policies_can_read_rows` has it (all, by default): so each is named."""
    for table, columns in warehouse.tables.items():
        yield Policy("programs", table, ALL, (DEFINER, *warehouse.programs))
        for reader in found:
            yield Policy(reader.role, table, reader.rows(columns), (reader.role,))


def _word(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{text!r} cannot be the name of a role")
    return text
