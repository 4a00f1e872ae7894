"""Roles and row policies: their SQL for the parser, and on a server wherever there is one."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator

import pytest
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from deploy.check.small_city import PLATFORMS
from deploy.errors import StackError
from deploy.operations.access import carry_out, look
from deploy.operations.access_rules import readers
from deploy.operations.access_sql import statements
from pipelines.warehouse.migrate import load, plan, run
from tests.integration.serving.conftest import Warehouse

SERVER = "LIVEWATCH_TEST_CLICKHOUSE_SERVER_URL"


def test_the_engine_parses_every_statement(warehouse: Warehouse) -> None:
    found = look(warehouse.db, warehouse.database, ("ingest",))
    wanted = list(statements(found, list(PLATFORMS)))
    assert len(wanted) > 300
    with warehouse.clickhouse.client(warehouse.database, user="admin") as admin:
        for sql in {re.sub(r"`[^`]*`|'[^']*'", "`x`", s) for s in wanted} | set(wanted[:40]):
            assert admin.execute(f"EXPLAIN AST {sql}"), sql
        with pytest.raises(driver_errors.ServerException):
            admin.execute("EXPLAIN AST CREATE ROW POLICY x ON a.b USED 1 TO c")


def test_what_each_reader_may_see(warehouse: Warehouse) -> None:
    found = look(warehouse.db, warehouse.database, ("ingest",))
    by_role = {r.role: r for r in readers(found, list(PLATFORMS))}
    published = {v for v in found.views if v.startswith("v_published_")}
    assert set(by_role["livewatch_association"].views) == published
    assert all("shared" in v or "published" in v for v in by_role["livewatch_tax"].views)
    one = by_role["livewatch_platform_p-one"]
    assert (one.column, one.value) == ("platform_id", "p-one")
    assert "v_settled_hour_session" in one.views
    assert {"v_hours", "v_cell_hours", "v_session_hours"} <= set(one.views)
    assert not {v for v in one.views if v.startswith(("v_shared", "v_flag", "v_ledger"))}
    assert set(by_role["livewatch_commission"].views) == set(found.views)
    assert len([r for r in by_role if r.startswith("livewatch_district_")]) == 17


def test_what_dashboards_read_of_kept_hours_is_cut_where_it_names_a_platform(
    warehouse: Warehouse,
) -> None:
    found = look(warehouse.db, warehouse.database, ("ingest",))
    wanted = [s for s in statements(found, ["p-one"]) if "`livewatch_platform_p-one`.v_" in s]
    ends = {s.split(".v_")[1].split()[0]: s for s in wanted}
    for view in ("cell_hours", "session_hours"):
        assert ends[view].endswith(f".v_{view} WHERE platform_id = 'p-one'")
    assert ends["hours"].endswith(".v_hours")


def test_every_table_lets_its_programs_in(warehouse: Warehouse) -> None:
    """A policy hides a table from all whom no policy names: so each has one for the programs."""
    found = look(warehouse.db, warehouse.database, ("ingest", "admin"))
    wanted = list(statements(found, ["p-one"]))
    for table in found.tables:
        policy = next(s for s in wanted if f"`programs` ON {found.database}.{table} " in s)
        assert policy.endswith("USING 1 TO `livewatch_definer`, `ingest`, `admin`")


def test_a_hostile_platform_is_refused(warehouse: Warehouse) -> None:
    found = look(warehouse.db, warehouse.database, ("ingest",))
    with pytest.raises(ValueError, match="cannot be the name of a role"):
        list(statements(found, ["x' OR 1 --"]))


def test_the_local_engine_says_that_it_has_no_users(warehouse: Warehouse) -> None:
    with (
        warehouse.clickhouse.client(warehouse.database, user="admin") as admin,
        pytest.raises(StackError, match="run it on a server"),
    ):
        carry_out(admin, ["CREATE USER IF NOT EXISTS someone HOST NONE"])


@pytest.fixture
def server(warehouse: Warehouse) -> Iterator[tuple[Client, str]]:
    """A database on a real server with the rows of the small city; all is removed afterwards."""
    url = os.environ.get(SERVER)
    if not url:
        pytest.skip(f"no ClickHouse server with access control: {SERVER}=clickhouse://user:pw@host")
    name = f"livewatch_test_{secrets.token_hex(4)}"
    with Client.from_url(url) as admin:
        run(admin, name, plan(load(), 0, None))
        for table in ("raw_orders", "sessions"):
            rows = warehouse.db.execute(f"SELECT * FROM {table}")
            admin.execute(f"INSERT INTO {name}.{table} VALUES", rows)
        yield admin, name
        admin.execute(f"DROP DATABASE {name}")


def test_on_a_server_each_sees_its_own_rows_only(server: tuple[Client, str]) -> None:
    admin, name = server
    url = os.environ[SERVER]
    me = admin.execute("SELECT currentUser()")[0][0]
    found = look(admin, name, (me,))
    carry_out(admin, list(statements(found, list(PLATFORMS))))
    user, word = f"reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    admin.execute(
        f"CREATE USER {user} IDENTIFIED BY '{word}' DEFAULT ROLE `livewatch_platform_p-one`"
    )
    admin.execute(f"GRANT `livewatch_platform_p-one` TO {user}")
    try:
        host = re.sub(r"//[^@/]*@", f"//{user}:{word}@", url)
        with Client.from_url(host) as reader:
            own = "`livewatch_platform_p-one`"
            seen = reader.execute(f"SELECT DISTINCT platform_id FROM {own}.v_orders")
            assert seen == [("p-one",)]
            for refused in (
                f"SELECT * FROM {name}.raw_orders LIMIT 1",
                f"SELECT * FROM {name}.v_orders LIMIT 1",
                "SELECT * FROM `livewatch_platform_p-two`.v_orders LIMIT 1",
                f"INSERT INTO {name}.erasures (reason) VALUES ('x')",
                "SET readonly = 0",
                "SELECT sleep(3) SETTINGS max_execution_time = 1000",
            ):
                with pytest.raises(driver_errors.ServerException):
                    reader.execute(refused)
        admin.execute(f"GRANT SELECT ON {name}.raw_orders TO {user}")  # by mistake
        with Client.from_url(host) as reader:
            seen = reader.execute(f"SELECT DISTINCT platform_id FROM {name}.raw_orders")
            assert seen == [("p-one",)]
        admin.execute(f"REVOKE `livewatch_platform_p-one` FROM {user}")
        admin.execute(f"GRANT `livewatch_tax` TO {user}")
        admin.execute(f"SET DEFAULT ROLE `livewatch_tax` TO {user}")
        with Client.from_url(host) as reader:
            assert reader.execute(f"SELECT count() FROM {name}.raw_orders") == [(0,)]
    finally:
        admin.execute(f"DROP USER {user}")
        for one in readers(found, list(PLATFORMS)):
            admin.execute(f"DROP DATABASE IF EXISTS `{one.role}`")
            admin.execute(f"DROP ROLE IF EXISTS `{one.role}`")
