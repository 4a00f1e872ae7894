"""`livewatch ops access`: who may read what in a ClickHouse server."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from deploy.errors import StackError, UsageError
from deploy.operations.access_rules import Warehouse
from deploy.operations.access_sql import statements
from deploy.operations.commands import HomeOption

_PROGRAMS = "Users of the server that fill or look after the tables."


def access(
    home: HomeOption = None,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Carry it out, or only show the SQL.")
    ] = False,
    platform: Annotated[
        list[str] | None,
        typer.Option(help="A platform to make a role for.", show_default="all that have sent"),
    ] = None,
    program: Annotated[
        list[str] | None, typer.Option(help=_PROGRAMS, show_default="the connection's own")
    ] = None,
) -> None:
    """Make a role per agency, district and platform, with a database of views cut to its rows.

    Needs a ClickHouse server with access control; the engine of the local stack has none. Then give
    a role to a user: GRANT `livewatch_platform_p-one` TO reader, and let its queries run in the
    database of that name. Run it again after a migration or when a platform joins.

    Examples:

        livewatch ops access --dry-run

        livewatch ops access --apply --program ingest --program admin
    """
    from deploy.operations.tables import client
    from deploy.operations.target import plain_errors, target

    at = target(home)
    with plain_errors(at), client(at) as db:
        programs = tuple(program or [at.clickhouse_user])
        known = platform or [p for (p,) in db.execute("SELECT DISTINCT platform_id FROM sessions")]
        try:
            wanted = list(statements(look(db, at.clickhouse_database, programs), known))
        except ValueError as error:
            raise UsageError(f"--platform: {error}") from None
        if not apply:
            sys.stdout.write("".join(f"{sql};\n" for sql in wanted))
            return
        carry_out(db, wanted)
    sys.stdout.write(f"{len(wanted)} statements carried out\n")


def look(db: Any, database: str, programs: tuple[str, ...]) -> Warehouse:
    """The warehouse as it is now. Views with parameters cannot be cut and are left out."""
    rows = db.execute(
        "SELECT t.name, t.engine = 'View', groupArray(c.name) FROM system.tables AS t "
        "INNER JOIN system.columns AS c ON c.database = t.database AND c.table = t.name "
        # What fills one table from another is read by nobody.
        "WHERE t.database = %(d)s AND t.engine != 'MaterializedView' "
        "GROUP BY t.name, t.engine ORDER BY t.name",
        {"d": database},
    )
    views = {n: frozenset(c) for n, is_view, c in rows if is_view and n.startswith("v_")}
    tables = {n: frozenset(c) for n, is_view, c in rows if not is_view}
    return Warehouse(database, views, tables, programs)


def carry_out(db: Any, wanted: list[str]) -> None:
    """Raises StackError where the server keeps no users of its own."""
    for sql in wanted:
        try:
            db.execute(sql)
        except Exception as error:
            if getattr(error, "code", None) == 497 and "CREATE USER" in sql:
                raise StackError(
                    "this ClickHouse gives no right to make users and roles (the engine of the "
                    "local stack never does): run it on a server, as a user with ACCESS MANAGEMENT"
                ) from None
            raise


def register(app: typer.Typer) -> None:
    """Add this verb to `livewatch ops`."""
    app.command()(access)
