"""Every role at a screen that asks for a login: who may not see the whole city sees nothing.

And whoever is let in, or is not, is on record in Kafka.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
from kafka import KafkaConsumer

from deploy.errors import StackError
from deploy.serving_check.accounts import Holder
from deploy.serving_check.screen_process import ScreenProcess
from deploy.stack.services import clickhouse_env
from deploy.stack.settings import StackSettings
from pipelines.core.ledger.roles import Role
from pipelines.topics import AUDIT_TOPIC

_ASKED = "/api/query?dashboard=city-overview&panel=2&from=latest-24h&to=latest"
_REFUSED = httpx.codes.UNAUTHORIZED
_TRIES = 30
_RECORD_S = 30.0


def run(
    settings: StackSettings, accounts: Path, holders: list[Holder], say: Callable[[str], None]
) -> dict[str, int]:
    """Column `foreign`: answers to those who may see a part only, or to nobody in particular."""
    env = clickhouse_env(settings, "viewer") | {"LIVEWATCH_SCREEN_AUDIT": settings.bootstrap}
    log = accounts.with_name("screen-with-login.log")
    screen = ScreenProcess(log, env, "--accounts", str(accounts))
    try:
        seen = {one.actor.account for one in holders if _sees(screen.url, one)}
        nobody = httpx.get(screen.url + _ASKED, trust_env=False).status_code != _REFUSED
    finally:
        screen.stop()
    may = {one.actor.account for one in holders if one.actor.role is Role.COMMISSION}
    if not may <= seen:
        raise StackError("the commission was not let in at the screen: there was nothing to check")
    wanted = {one.actor.account for one in holders}
    unrecorded = wanted - _on_record(settings.bootstrap, wanted)
    say(f"screen: {len(seen)} of {len(holders)} accounts let in, {len(unrecorded)} not on record")
    return {"foreign": len(seen - may) + nobody, "unrecorded": len(unrecorded)}


def _sees(url: str, holder: Holder) -> bool:
    """Whether he gets figures after he has proven who he is."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        proof = {"account": holder.actor.account, "password": holder.password}
        _patiently(lambda: client.post("/login", data=proof))
        answer = _patiently(lambda: client.get(_ASKED))
        if answer.status_code not in (_REFUSED, httpx.codes.OK):
            raise StackError(f"the screen answers {answer.status_code} to {holder.actor.account}")
        return answer.is_success


def _patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Again where Kafka or ClickHouse had other work; not for ever."""
    answer = ask()
    for _ in range(_TRIES):
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(float(answer.headers.get("retry-after", "1")))
        answer = ask()
    return answer


def _on_record(bootstrap: str, wanted: set[str]) -> set[str]:
    """Accounts of `wanted` whose accesses at the screen are in the topic."""
    consumer = KafkaConsumer(
        AUDIT_TOPIC, bootstrap_servers=bootstrap.split(","), auto_offset_reset="earliest"
    )
    found: set[str] = set()
    deadline = time.monotonic() + _RECORD_S
    with closing(consumer):
        while not wanted <= found and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=500).values():
                told = [json.loads(record.value) for record in records]
                found |= {one["account"] for one in told if one["route"].startswith("screen:")}
    return found
