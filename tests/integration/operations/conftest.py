"""The pipeline of tests/integration/pipeline, and the operator's program in front of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from pipelines.topics import specs
from tests.integration.pipeline.conftest import pipeline, sender
from tests.integration.pipeline.harness import PARTITIONS, Pipeline

__all__ = ["Ops", "ops", "pipeline", "sender"]


class Ops:
    """`livewatch ops ...` on the pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        http = str(pipeline.clickhouse.http_port)
        self.env = os.environ | pipeline.worker.env | {"LIVEWATCH_CLICKHOUSE_HTTP_PORT": http}

    def try_it(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "deploy.cli", "ops", *arguments]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=120)

    def __call__(self, *arguments: str) -> str:
        done = self.try_it(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop_worker(self) -> None:
        """And forget its own copy of the state, as a new machine would have none."""
        assert self.pipeline.worker.terminate(30) == 0
        shutil.rmtree(self.pipeline.worker.log.parent / "state")

    def wait_for_topics_gone(self, group: str) -> None:
        """Kafka deletes in its own time."""
        with closing(self.pipeline.kafka.admin()) as admin:
            ours = {s.name for s in specs(group, PARTITIONS)}
            deadline = time.monotonic() + 30
            while ours & set(admin.list_topics()):
                assert time.monotonic() < deadline, "Kafka keeps the topics"
                time.sleep(0.1)

    def all_rows(self, table: str, leave_out: str) -> list[tuple[Any, ...]]:
        """What readers see of a table."""
        return self.pipeline.query(f"SELECT * EXCEPT ({leave_out}) FROM {table} ORDER BY ALL")

    def wait(self, what: str, done: Callable[[], bool], timeout: float = 90) -> None:
        self.pipeline.worker.wait(what, done, timeout)


@pytest.fixture(scope="module")
def ops(pipeline: Pipeline) -> Ops:
    return Ops(pipeline)
