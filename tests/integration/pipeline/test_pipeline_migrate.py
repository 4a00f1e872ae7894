"""Migrations on the real engine: forward, back to nothing, forward again; a dry run only tells."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from pipelines.warehouse.migrate import LEDGER, applied_number, load, plan, run
from tests.integration.pipeline.harness import worker_env


def tables(client: Any, database: str) -> dict[str, str]:
    sql = "SELECT name, create_table_query FROM system.tables WHERE database = %(d)s"
    return {n: q for n, q in client.execute(sql, {"d": database}) if n != LEDGER}


def declared() -> set[str]:
    steps = plan(load(), 0, None)
    made = [s for step in steps for s in step.statements("any") if s.startswith("CREATE")]
    return {s.replace("MATERIALIZED ", "").split()[2] for s in made}


def test_forward_back_and_forward_again(clickhouse: Any, database: str) -> None:
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, None))
        first = tables(client, database)
        assert first.keys() == declared()
        assert applied_number(client, database) == load()[-1].number
        run(client, database, plan(load(), load()[-1].number, 0))
        assert tables(client, database) == {}
        assert applied_number(client, database) == 0
        run(client, database, plan(load(), 0, None))
        assert tables(client, database) == first


def test_every_column_of_every_view_is_explained(clickhouse: Any, database: str) -> None:
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, None))
        silent = "SELECT table, name FROM system.columns WHERE database = %(d)s AND comment = ''"
        silent += " AND startsWith(table, 'v_')"
        # Said in schemas/clickhouse/comments.json, or on the column of a table.
        assert client.execute(silent, {"d": database}) == []


def test_a_dry_run_changes_nothing(clickhouse: Any, database: str) -> None:
    env = os.environ | worker_env("127.0.0.1:9092", clickhouse, database, "nobody")
    command = [sys.executable, "-m", "deploy.cli", "migrate", "--dry-run"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert "CREATE TABLE raw_viewers" in done.stdout
    with clickhouse.client(user="admin") as client:
        sql = "SELECT count() FROM system.tables WHERE database = %(d)s"
        assert client.execute(sql, {"d": database}) == [(0,)]
