"""Days of a small city, published and then attacked; and the rights of the database's readers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clickhouse_driver import Client

from deploy.check import roles
from deploy.check.differencing import READERS, cells_recovered
from deploy.check.small_city import store, two_days
from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.serving_check.verdict import NO_SERVER
from deploy.stack.settings import CHECKOUT, StackSettings
from pipelines.warehouse import publish, rollups

SERVER = "LIVEWATCH_TEST_CLICKHOUSE_SERVER_URL"
_TEST = "tests/integration/serving/test_access.py"
_SHOWN = 10


def run(settings: StackSettings, directory: Path, say: Callable[[str], None]) -> dict[str, Any]:
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
        **_roles(directory, say),
    }


def _roles(directory: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Tried by processes of the embedded engine that are readers, and on a server if one is named.

    There, the test is run that makes roles by SQL and reads as one of them.
    """
    held = {by: holds for by, holds in (_embedded(directory, say), _server()) if holds is not None}
    found = "checked" if all(held.values()) else "failed"
    return {
        "database_roles": found if held else NO_SERVER,
        "database_roles_by": sorted(held),
    }


def _embedded(directory: Path, say: Callable[[str], None]) -> tuple[str, bool | None]:
    by = "embedded engine with XML users"
    try:
        readers, found = roles.attack(directory / "roles")
    except roles.NoUsersError as error:
        say(f"database roles: {error}")
        return by, None
    say(f"database roles: {readers} readers, {len(found)} rights too many or too few")
    for line in found[:_SHOWN]:
        say(f"FAILED: {line}")
    return by, not found


def _server() -> tuple[str, bool | None]:
    if not os.environ.get(SERVER):
        return "server", None
    argv = [sys.executable, "-m", "pytest", "-q", "-k", "on_a_server", _TEST]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=False)
    return "server", done.returncode == 0
