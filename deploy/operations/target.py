"""Which system a verb works on: the variables' one, or a local stack."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clickhouse_driver import errors as driver_errors
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import CoordinatorNotAvailableError, KafkaError
from pydantic import Field, ValidationError

from deploy.errors import StackError, UsageError
from deploy.stack import statefile
from deploy.stack.home import Home
from deploy.stack.services import worker_env
from deploy.stack.settings import default_home
from pipelines.settings import Settings

_COORDINATOR_S = 20.0


class Target(Settings):
    """The pipeline's settings, and where ClickHouse speaks HTTP (whole tables go that way)."""

    clickhouse_http_port: int = Field(8123, ge=1, le=65535, description="its HTTP port")
    clickhouse_http_tls: bool = Field(False, description="HTTPS instead of HTTP")

    @property
    def clickhouse_url(self) -> str:
        scheme = "https" if self.clickhouse_http_tls else "http"
        return f"{scheme}://{self.clickhouse_host}:{self.clickhouse_http_port}/"


def target(home: Path | None) -> Target:
    """Raises UsageError for a wrong variable, or a home without a stack."""
    # What the clients log of a connection that fails is said once, in a line of our own.
    logging.getLogger().addHandler(logging.NullHandler())
    if home is None and "LIVEWATCH_BOOTSTRAP" in os.environ:
        return _made({})
    root = (home or default_home()).expanduser().absolute()
    state = statefile.read(Home(root).state_file)
    if state is not None:
        prefix = "LIVEWATCH_"
        given = worker_env(state.settings(root))
        return _made({k.removeprefix(prefix).lower(): v for k, v in given.items()})
    if home is not None:
        raise UsageError(f"--home: no local stack has run in {root}")
    return _made({})


def _made(values: dict[str, Any]) -> Target:
    try:
        return Target(**values)
    except ValidationError as error:
        lines = [
            f"LIVEWATCH_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}"
            for e in error.errors()
        ]
        raise UsageError("; ".join(lines)) from None


@contextmanager
def plain_errors(at: Target) -> Iterator[None]:
    """What Kafka or ClickHouse answer, as one line of the user's."""
    try:
        yield
    except KafkaError as error:
        raise StackError(f"Kafka at {at.bootstrap}: {error}") from None
    except driver_errors.Error as error:
        where = f"{at.clickhouse_host}:{at.clickhouse_port}"
        raise StackError(f"ClickHouse at {where}: {str(error).splitlines()[0]}") from None


@contextmanager
def admin(at: Target) -> Iterator[Any]:
    """An admin client of the brokers."""
    client = KafkaAdminClient(bootstrap_servers=at.bootstrap.split(","))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def consumer(at: Target) -> Iterator[Any]:
    """A consumer outside of any group, which commits nothing."""
    client = KafkaConsumer(
        bootstrap_servers=at.bootstrap.split(","), group_id=None, enable_auto_commit=False
    )
    try:
        yield client
    finally:
        client.close()


def members(client: Any, group: str) -> list[str]:
    """Client ids of the workers that are in the group now."""
    deadline = time.monotonic() + _COORDINATOR_S
    while True:
        try:
            found = client.describe_groups([group])
        except CoordinatorNotAvailableError:
            # A new broker has none until someone asks; the first to ask is told so.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return sorted({str(m["client_id"]) for m in found[group]["members"]})


def refuse_while_working(client: Any, group: str, verb: str) -> None:
    """Raises StackError while workers run: what they hold in memory would be written after us."""
    some = members(client, group)
    if some:
        raise StackError(
            f"{verb} needs all workers of group {group} stopped, and {', '.join(some)} still "
            "work: stop them (the local stack: livewatch down, then livewatch up -d --workers 0), "
            "wait for the session timeout, and try again"
        )
