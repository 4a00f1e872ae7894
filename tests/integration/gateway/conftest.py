"""A gateway as it is run, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.telemetry import TOPICS
from tests.integration.gateway.harness import PARTITIONS, RunningGateway


@pytest.fixture
def topics(kafka: Any) -> Iterator[str]:
    kafka.create_topics(PARTITIONS)
    yield kafka.bootstrap
    kafka.delete_topics(*TOPICS)


@pytest.fixture
def gateway(topics: str, tmp_path: Path) -> Iterator[RunningGateway]:
    running = RunningGateway(tmp_path, topics)
    yield running.start()
    running.end()
