"""Migrations: numbered SQL files, forward and reverse, recorded in the database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Protocol

from pipelines.warehouse import comments

LEDGER = "schema_migrations"
#: Stands in the files for the database's name, where it has to be written out.
DATABASE = "$DATABASE"
_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.up\.sql$")


class Executor(Protocol):
    """What migrations need of a ClickHouse client."""

    def execute(self, query: str, params: object = None) -> list[tuple[object, ...]]: ...


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `up` and `down` are whole files of statements."""

    number: int
    name: str
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Step:
    """A migration to run, and in which direction."""

    migration: Migration
    forward: bool

    def statements(self, database: str) -> Iterator[str]:
        """The step's SQL for this database, one statement at a time, comments left out."""
        sql = self.migration.up if self.forward else self.migration.down
        sql = sql.replace(DATABASE, database)
        bare = re.sub(r"^--.*$", "", sql, flags=re.MULTILINE)
        yield from (s.strip() for s in re.split(r";\s*$", bare, flags=re.MULTILINE) if s.strip())

    def __str__(self) -> str:
        arrow = "forward" if self.forward else "reverse"
        return f"{self.migration.number:04d} {self.migration.name} ({arrow})"


def load() -> list[Migration]:
    """All migrations, in order. Raises ValueError for a number used twice or a missing reverse."""
    folder = resources.files("schemas").joinpath("clickhouse")
    found = []
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        match = _NAME.match(entry.name)
        if match:
            down = folder.joinpath(entry.name.replace(".up.", ".down."))
            if not down.is_file():
                raise ValueError(f"{entry.name} has no reverse")
            up, down_sql = entry.read_text("utf-8"), down.read_text("utf-8")
            found.append(Migration(int(match[1]), match[2], up, down_sql))
    if len({m.number for m in found}) != len(found):
        raise ValueError("two migrations have the same number")
    return found


def plan(migrations: list[Migration], applied: int, target: int | None) -> list[Step]:
    """Steps from the `applied` number to `target` (the newest, where None)."""
    newest = migrations[-1].number if migrations else 0
    goal = newest if target is None else target
    if not 0 <= goal <= newest:
        raise ValueError(f"target must be from 0 to {newest}")
    if applied > newest:
        raise ValueError(f"the database is at {applied}, this version knows only {newest}")
    if goal >= applied:
        return [Step(m, True) for m in migrations if applied < m.number <= goal]
    return [Step(m, False) for m in reversed(migrations) if goal < m.number <= applied]


def applied_number(client: Executor, database: str) -> int:
    """Number of the newest migration that the database has; 0 for a database without any."""
    tables = "SELECT count() FROM system.tables WHERE database = %(d)s AND name = %(t)s"
    if client.execute(tables, {"d": database, "t": LEDGER})[0][0] == 0:
        return 0
    newest = f"SELECT max(number) FROM {database}.{LEDGER} FINAL WHERE present"  # noqa: S608
    return int(str(client.execute(newest)[0][0]))


def run(client: Executor, database: str, steps: list[Step]) -> None:
    """Carry out the steps, recording each as it is done. `database` is an identifier."""
    client.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    client.execute(
        f"CREATE TABLE IF NOT EXISTS {database}.{LEDGER} (number UInt32, name String, "
        "present UInt8, at DateTime64(6, 'UTC') DEFAULT now64(6)) "
        "ENGINE = ReplacingMergeTree(at) ORDER BY number"
    )
    client.execute(f"USE {database}")
    for step in steps:
        for statement in step.statements(database):
            client.execute(statement)
        client.execute(
            f"INSERT INTO {database}.{LEDGER} (number, name, present) SELECT "
            f"{step.migration.number}, '{step.migration.name}', {int(step.forward)}"
        )
    if steps:
        comments.apply(client)
