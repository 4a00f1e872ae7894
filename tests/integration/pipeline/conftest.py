"""The pipeline as it runs: topics, a migrated database, one worker. Once a module."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.stack.ports import free_run
from pipelines.topics import ensure, specs
from pipelines.warehouse.migrate import load, plan, run
from tests.integration.pipeline.harness import (
    PARTITIONS,
    Pipeline,
    Sender,
    Worker,
    worker_env,
)


@pytest.fixture(scope="module")
def pipeline(
    kafka: Any, clickhouse: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Topic names of telemetry are fixed: made here, and removed afterwards."""
    database = group = f"test{secrets.token_hex(4)}"
    ensure(kafka.bootstrap, group, PARTITIONS)
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, None))
    env = worker_env(kafka.bootstrap, clickhouse, database, group)
    worker = Worker(env, tmp_path_factory.mktemp("worker"), free_run())
    try:
        worker.wait("ready", worker.ready, 60)
        yield Pipeline(worker, kafka, clickhouse, database)
    finally:
        worker.end()
        kafka.delete_topics(*(s.name for s in specs(group, PARTITIONS)))
        with clickhouse.client(user="admin") as client:
            client.execute(f"DROP DATABASE {database} SYNC")


@pytest.fixture(scope="module")
def sender(kafka: Any) -> Iterator[Sender]:
    made = Sender(kafka.bootstrap)
    yield made
    made.close()
