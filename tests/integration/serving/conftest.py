"""A warehouse with two days of a small city, rolled up and published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_driver import Client

from deploy.check.small_city import City, store, two_days
from pipelines.warehouse import publish, rollups
from pipelines.warehouse.migrate import load, plan, run


@dataclass(frozen=True)
class Warehouse:
    city: City
    db: Client
    database: str
    clickhouse: Any


@pytest.fixture(scope="session")
def warehouse(clickhouse: Any) -> Iterator[Warehouse]:
    name = "test_serving"
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"CREATE DATABASE {name}")
        run(admin, name, plan(load(), 0, None))
    city = two_days(datetime.now(UTC))
    with clickhouse.client(name) as client:
        store(client, city)
        rollups.run(client)
        for day in publish.ready_days(client, 0, 20):
            publish.publish(client, day, datetime.now(UTC))
        yield Warehouse(city, client, name, clickhouse)
    with clickhouse.client(user="admin") as admin:
        admin.execute(f"DROP DATABASE {name} SYNC")
