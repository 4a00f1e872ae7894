"""A topic for a ledger of each test's own, on the real broker."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def topic(kafka: Any) -> Iterator[str]:
    name = f"ledger-{secrets.token_hex(4)}"
    kafka.create_topics(1, name)
    yield name
    kafka.delete_topics(name)
