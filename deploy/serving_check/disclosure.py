"""Days of a small city, published and then attacked; and roles of a server, where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from clickhouse_driver import Client

from deploy.check.differencing import READERS, cells_recovered
from deploy.check.small_city import store, two_days
from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.stack.settings import CHECKOUT, StackSettings
from pipelines.warehouse import publish, rollups

SERVER = "LIVEWATCH_TEST_CLICKHOUSE_SERVER_URL"
_TEST = "tests/integration/serving/test_access.py"
_SHOWN = 10


def run(settings: StackSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Fills the warehouse of the stack; what is published then is what everybody may read."""
    at = Warehouse.of(settings, "ingest")
    with Client(at.host, at.port, at.database, at.user, at.password) as db:
        city = two_days(datetime.now(UTC))
        store(db, city)
        rollups.run(db)
        days = list(publish.ready_days(db, 0, 20))
        for day in days:
            publish.publish(db, day, datetime.now(UTC))
        suppressed = sum(
            db.execute(f"SELECT count() FROM {prefix}_day WHERE suppressed")[0][0]  # noqa: S608
            for prefix in READERS
        )
        found = cells_recovered(db)
    say(f"disclosure: {len(days)} days, {suppressed} suppressed cells, {len(found)} recovered")
    if not days or not suppressed:
        raise StackError(
            "nothing was published, or nothing suppressed: there was nothing to attack"
        )
    for reader, when, measure, bounds in found[:_SHOWN]:
        say(f"FAILED: {reader} of {when} tells {measure} of {bounds.cell}: {bounds.low}")
    return {
        "cells_recovered_by_differencing": len(found),
        "suppressed_cells": suppressed,
        "database_roles": _roles(),
    }


def _roles() -> str:
    """Roles and row policies need a server with users; the engine of the stack has none.

    Where a server is named, the test that makes roles there and reads as one of them is run.
    """
    if not os.environ.get(SERVER):
        return "not run: no server"
    argv = [sys.executable, "-m", "pytest", "-q", "-k", "on_a_server", _TEST]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=False)
    return "checked" if done.returncode == 0 else "failed"
