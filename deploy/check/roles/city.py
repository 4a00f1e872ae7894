"""The warehouse that is attacked: a small city, and rows of every platform in every other table."""

# ruff: noqa: S608 - SQL assembled from names of the schema

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_driver import Client

from deploy.check.roles.session import Answer, ask
from deploy.check.small_city import DISTRICTS, PLATFORMS, store, two_days
from deploy.clickhouse_embedded import launch
from deploy.errors import StackError
from deploy.operations.access import look
from deploy.operations.access_rules import DEFINER, Rules, Warehouse, rules
from deploy.operations.access_sql import databases
from deploy.operations.access_xml import owner
from deploy.stack.settings import HOST
from pipelines.warehouse import publish, rollups
from pipelines.warehouse.migrate import load, plan, run

DATABASE = "livewatch"
CUTS = {"platform_id": PLATFORMS, "district": DISTRICTS}
Print = tuple[int, int]
"""How many rows, and the sum of their hashes: what was read, without keeping it."""
#: One thread, so that sums of floats come out the same.
FINGERPRINT = "count(), sum(sipHash64(toString(tuple(*))))"
ONE_THREAD = "SETTINGS max_threads = 1"
_ROWS = 80
_PARAMETER = re.compile(r"\{(\w+):(\w+)")


@dataclass(frozen=True)
class City:
    """`prints`: by table or view, then by column that it is cut by, then by value of this column;
    column and value "" are the whole. `closed`: views with parameters, as somebody would call them.
    """

    data: Path
    warehouse: Warehouse
    rules: Rules
    prints: Mapping[str, Mapping[str, Mapping[str, Print]]]
    closed: tuple[str, ...]

    def expected(self, name: str, column: str = "", value: str = "") -> Print:
        return self.prints[name].get(column, {}).get(value, (0, 0))


class NoUsersError(StackError):
    """The engine passed over the file of its users: nothing can be tried."""


def make(folder: Path) -> City:
    """Fills a data directory under `folder`, and makes the readers' databases in it.

    Raises NoUsersError.
    """
    data = folder / "data"
    found = _small_city(folder, data)
    wanted = rules(found, list(PLATFORMS))
    _has_users(folder, wanted, data)
    rows = [sql for table in sorted(found.tables) for sql in (_about(table), _count(table))]
    *about, views = _owned(folder, wanted, data, [*rows, _CALLED])
    fillers = [
        _filler(table, columns.rows)
        for table, columns, count in zip(sorted(found.tables), about[::2], about[1::2], strict=True)
        if not int(count.rows[0][0])
    ]
    _owned(folder, wanted, data, [*fillers, *databases(wanted)])
    closed = tuple(_called(name, text) for name, text in views.rows)
    return City(data, found, wanted, _prints(folder, wanted, data, found), closed)


def _small_city(folder: Path, data: Path) -> Warehouse:
    """Two days, rolled up and published, by the server that speaks the driver's protocol."""
    users = launch.write_users(folder / "users.json", {"owner": {"password": ""}})
    tcp, http = launch.free_ports(2)
    server = launch.launch(data, HOST, tcp, http, users, folder / "log")
    try:
        launch.wait_ready(server, HOST, tcp, http)
        with Client(HOST, tcp, user="owner") as db:
            run(db, DATABASE, plan(load(), 0, None))
            store(db, two_days(datetime.now(UTC)))
            rollups.run(db)
            for day in publish.ready_days(db, 0, 20):
                publish.publish(db, day, datetime.now(UTC))
            return look(db, DATABASE, ("ingest",))
    finally:
        launch.stop(server)


def _has_users(folder: Path, wanted: Rules, data: Path) -> None:
    sql = f"SELECT count() FROM system.users WHERE name = '{DEFINER}'"
    (answer,) = ask(folder / "users", owner(wanted), data, [sql])
    if [int(row[0]) for row in answer.rows] != [1]:
        raise NoUsersError("the embedded engine did not read its users.xml")


def _owned(folder: Path, wanted: Rules, data: Path, questions: list[str]) -> list[Answer]:
    """Answers to the owner. Raises StackError where one is a refusal."""
    place = folder / f"owner-{len(list(folder.glob('owner-*')))}"
    answers = ask(place, owner(wanted), data, questions)
    for question, answer in zip(questions, answers, strict=True):
        if answer.code:
            raise StackError(f"{question[:80]}: {answer.text}")
    return answers


def _about(table: str) -> str:
    return (
        f"SELECT name, type FROM system.columns WHERE database = '{DATABASE}' AND "
        f"table = '{table}' AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') "
        "AND type NOT LIKE 'AggregateFunction%' ORDER BY position"
    )


def _count(table: str) -> str:
    return f"SELECT count() FROM {DATABASE}.{table}"


def _filler(table: str, columns: list[list[str]]) -> str:
    """Random rows of all platforms and districts, of these hours."""
    names = ", ".join(f"`{name}`" for name, _ in columns)
    values = ", ".join(_value(name, kind) for name, kind in columns)
    structure = ", ".join(f"`{name}` {kind}" for name, kind in columns).replace("'", "\\'")
    return (
        f"INSERT INTO {DATABASE}.{table} ({names}) SELECT {values} FROM (SELECT *, "
        f"rowNumberInAllBlocks() AS nth FROM generateRandom('{structure}', 7, 6, 2) LIMIT {_ROWS})"
    )


def _value(name: str, kind: str) -> str:
    if name in CUTS:
        every = len(PLATFORMS) if name == "district" else 1
        return f"arrayElement({list(CUTS[name])}, intDiv(nth, {every}) % {len(CUTS[name])} + 1)"
    if kind.startswith(("Date", "Nullable(Date")):
        return f"now() - INTERVAL nth MINUTE AS `{name}`"
    return f"`{name}`"


_CALLED = (
    f"SELECT name, create_table_query FROM system.tables WHERE database = '{DATABASE}' "
    "AND engine = 'View' AND match(create_table_query, '[{][a-z]+:')"
)


def _called(name: str, text: str) -> str:
    at = {p: "'2026-01-01 00:00:00'" for p, _ in _PARAMETER.findall(text)}
    return f"{name}({', '.join(f'{p} = {v}' for p, v in at.items())})"


def _prints(
    folder: Path, wanted: Rules, data: Path, found: Warehouse
) -> dict[str, dict[str, dict[str, Print]]]:
    """By platform and district, told apart here and not by a condition of the database."""
    asked = list(_cuts(found))
    questions = [
        f"SELECT toString({column or repr('')}), {FINGERPRINT} FROM {DATABASE}.{name} "
        f"GROUP BY 1 {ONE_THREAD}"
        for name, column in asked
    ]
    prints: dict[str, dict[str, dict[str, Print]]] = {}
    for (name, column), answer in zip(asked, _owned(folder, wanted, data, questions), strict=True):
        of = {v: (int(count), int(total)) for v, count, total in answer.rows}
        prints.setdefault(name, {})[column] = of
        if name in found.tables and len(of) < 2 - (not column):
            raise StackError(f"{name} has nothing to steal by {column}")
    return prints


def _cuts(found: Warehouse) -> Iterator[tuple[str, str]]:
    for name, columns in sorted({**found.views, **found.tables}.items()):
        yield from ((name, column) for column in ("", *CUTS) if not column or column in columns)
