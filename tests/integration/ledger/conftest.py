"""A topic for a ledger of each test's own; and `livewatch api` as it runs, once a module."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaProducer

from deploy.stack.ports import free_run
from pipelines.accounts.book import Account, Accounts
from pipelines.accounts.proof import new_token
from pipelines.core.columns import TableColumns
from pipelines.core.flags import FlagEvent
from pipelines.core.ledger.roles import Role
from pipelines.settings import Settings
from pipelines.sinks.flags import flag_columns
from pipelines.topics import FLAGS_TOPIC, ensure, specs
from pipelines.warehouse.client import connect, insert
from pipelines.warehouse.migrate import load, plan, run
from tests.integration.pipeline.harness import PARTITIONS, Worker, worker_env

NOW = time.time_ns() // 1_000_000
BOUND = {"platform": {"platform_id": "p01"}, "district_bureau": {"district": "310101"}}


@pytest.fixture
def topic(kafka: Any) -> Iterator[str]:
    name = f"ledger-{secrets.token_hex(4)}"
    kafka.create_topics(1, name)
    yield name
    kafka.delete_topics(name)


@dataclass
class Desk:
    """The API, everybody's tokens, and the ways around it."""

    process: Worker
    kafka: Any
    settings: Settings
    env: dict[str, str]
    tokens: dict[str, str]

    def ask(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        if who:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        url = f"http://127.0.0.1:{self.process.port}{path}"
        return httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **more)

    def raise_flag(self, flag: FlagEvent, times: int = 1) -> None:
        """As a worker does it: into the table, and onto the topic, perhaps twice."""
        with connect(self.settings) as client:
            insert(client, "flag_events", columns_of(flag))
        value = json.dumps(flag.to_json(), ensure_ascii=False).encode()
        with KafkaProducer(bootstrap_servers=self.kafka.bootstrap) as producer:
            for _ in range(times):
                producer.send(FLAGS_TOPIC, value, flag.flag_id.encode()).get(10)

    def until(self, what: str, done: Callable[[], Any], timeout: float = 60) -> Any:
        deadline = time.monotonic() + timeout
        while not (found := done()):
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.1)
        return found

    def flag(self, flag_id: str, who: str = "commission") -> dict[str, Any]:
        """The flag, once it has a level."""

        def got() -> Any:
            answer = self.ask(who, "GET", f"/v1/flags/{flag_id}")
            return answer.status_code == 200 and answer.json()["noticed_at"] and answer.json()

        found: dict[str, Any] = self.until(flag_id, got)
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with connect(self.settings) as client:
            return list(client.execute(sql))

    def cli(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy.cli", *arguments]
        return subprocess.run(
            command,
            env=os.environ | self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )


def columns_of(flag: FlagEvent) -> TableColumns:
    return flag_columns([flag], 1)


def event(entity: str, **more: Any) -> FlagEvent:
    """An F01 of platform p01 in district 310101; what is given replaces it."""
    made = FlagEvent(
        flag_id=f"F01:merchant/p01/{entity}:{NOW}", event="opened", grade="raised", rule="F01",
        entity_type="merchant", entity=entity, platform_id="p01", category="food", parent_id="",
        onset=NOW, event_time=NOW, decided_at=NOW, observed=9.0, expected=1.5, exposure=900.0,
        window_s=3600, score=0.7, threshold=0.1, rule_version="F01/1", sentence_zh="投诉偏多",
        sentence_en="More complaints than usual", district="310101",
    )  # fmt: skip
    return dataclasses.replace(made, **more)


def accounts(path: Path) -> dict[str, str]:
    """One account a role, a second commissioner and a foreign platform; their tokens by name."""
    tokens, made = {}, []
    names = [(role.value, role.value, BOUND.get(role.value, {})) for role in Role]
    names += [("wei", "commission", {}), ("p02", "platform", {"platform_id": "p02"})]
    for name, role, bound in names:
        tokens[name], kept = new_token(NOW, 1)
        made.append(Account(name=name, role=Role(role), created_ms=NOW, tokens=(kept,), **bound))
    path.write_text(Accounts(accounts=tuple(made)).model_dump_json())
    path.chmod(0o600)
    return tokens


@pytest.fixture(scope="module")
def desk(kafka: Any, clickhouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    database = group = f"test{secrets.token_hex(4)}"
    ensure(kafka.bootstrap, group, PARTITIONS)
    with clickhouse.client(user="admin") as client:
        run(client, database, plan(load(), 0, None))
    directory, port = tmp_path_factory.mktemp("api"), free_run()
    file = directory / "accounts.json"
    tokens = accounts(file)
    env = worker_env(kafka.bootstrap, clickhouse, database, group)
    env |= {"LIVEWATCH_ACCOUNTS_FILE": str(file), "LIVEWATCH_API_REQUESTS_PER_S": "1000"}
    settings = Settings(
        bootstrap=kafka.bootstrap, clickhouse_host=clickhouse.host, group=group,
        clickhouse_port=clickhouse.tcp_port, clickhouse_user="ingest", clickhouse_database=database,
        clickhouse_password_file=clickhouse.password_file("ingest"), accounts_file=file,
    )  # fmt: skip
    argv = [sys.executable, "-m", "deploy.cli", "api", "--port", str(port)]
    process = Worker(env, directory, port, argv)
    try:
        process.wait("ready", process.ready, 90)
        yield Desk(process, kafka, settings, env, tokens)
    finally:
        process.end()
        kafka.delete_topics(*(s.name for s in specs(group, PARTITIONS)))
        with clickhouse.client(user="admin") as client:
            client.execute(f"DROP DATABASE {database} SYNC")
