"""The whole check: personal data, kills and outages, forgeries, another language, fuzz, speed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.check import fuzz, http_fuzz, personal_data, sdk_faults, second_language
from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.producer_check.city import OWN, GatewayProcess, Parties
from deploy.producer_check.foreign import Forger
from deploy.producer_check.gateway_trial import Platform, compare, drive
from deploy.stack.home import Home
from deploy.stack.keys import registry_file
from deploy.stack.ports import free_ports
from deploy.stack.running import RunningStack
from deploy.stack.settings import CHECKOUT, StackSettings

Say = Callable[[str], None]
_NONE = ("pii_passed", "clean_refused", "lost", "doubled", "foreign_writes_passed", "fuzz_crashes")
_SOME = (
    "pii_planted", "clean_sent", "kills", "broker_outages", "accepted", "foreign_writes_tried",
    "fuzz_cases",
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How much of everything; times in s. `bench_s` 0: no measurement."""

    records: int = 100_000
    sdk_kills: int = 8
    gateway_kills: int = 5
    fuzz_s: float = 40.0
    decoder_cases: int = 20_000
    bench_s: float = 8.0
    seed: int = 7


SHORT = Size(2_000, 2, 2, 10.0, 1_000, 0.0)


def run(size: Size, say: Say) -> dict[str, Any]:
    """The report; `passed` says whether everything held."""
    began = time.monotonic()
    say("personal data at the source")
    report: dict[str, Any] = dict(personal_data.run(size.records, size.seed))
    say("the SDK under kills and outages")
    sdk = sdk_faults.run(size.sdk_kills, 1, size.seed, say)
    report |= _on_a_stack(size, say, sdk)
    say("fuzzing")
    report |= _fuzz(size, say)
    if size.bench_s:
        say("speed of the gateway")
        report |= _bench(size.bench_s)
    report["wall_s"] = round(time.monotonic() - began, 1)
    report["passed"] = passed(report)
    return report


def passed(report: dict[str, Any]) -> bool:
    """Nothing passed, was lost, doubled or crashed; and all of it was really tried."""
    java = report["second_language_batches"] > 0 or bool(report["second_language_skipped"])
    return (
        java
        and all(report[name] == 0 for name in _NONE)
        and all(report[name] > 0 for name in _SOME)
        and report["accepted"] == report["delivered"]
    )


def _on_a_stack(size: Size, say: Say, sdk: dict[str, int]) -> dict[str, Any]:
    """Gateway, forgeries and the other language, on a stack that refuses what is not signed."""
    with tempfile.TemporaryDirectory(prefix="livewatch-producers-") as home:
        settings = StackSettings(
            Path(home), free_ports(1), workers=1, partitions=4, screen=False, unsigned="refuse"
        )
        secrets = Home(settings.home).secrets
        stack = RunningStack(settings, say)
        try:
            stack.await_ready(_wait)
            parties = Parties(Path(home) / "parties", registry_file(secrets))
            return _trials(size, say, sdk, stack, parties)
        finally:
            stack.stop()


def _trials(
    size: Size, say: Say, sdk: dict[str, int], stack: RunningStack, parties: Parties
) -> dict[str, Any]:
    settings, warehouse = stack.settings, Warehouse.of(stack.settings)
    key = parties.directory / "gateway.pem"
    gateway = GatewayProcess(parties.directory, key, settings.bootstrap)

    def outage() -> None:
        stack.kill_process("kafka")
        say("killed kafka with SIGKILL")

    try:
        say("the gateway under kills and an outage")
        platform = Platform(gateway.url, gateway.api_key(OWN))
        drive(gateway, platform, size.gateway_kills, outage)
        found = compare(platform, warehouse)
        say(f"gateway: {found}")
        forger = Forger(parties, settings.bootstrap, settings.partitions)
        say("writing in another's name")
        forger.over_kafka(warehouse)
        forger.over_http(gateway)
        gateway.stop()
    finally:
        gateway.end()
    for name in forger.passed:
        say(f"FAILED: passed: {name}")
    return {
        "kills": sdk["kills"] + size.gateway_kills,
        "broker_outages": sdk["broker_outages"] + 1,
        "accepted": sdk["accepted"] + found.accepted,
        "delivered": sdk["delivered"] + found.delivered,
        "lost": sdk["lost"] + found.lost,
        "doubled": sdk["doubled"] + sdk["unknown"] + found.doubled,
        "foreign_writes_tried": forger.tried,
        "foreign_writes_passed": len(forger.passed),
        **_second_language(say, settings, parties, warehouse),
    }


def _second_language(
    say: Say, settings: StackSettings, parties: Parties, warehouse: Warehouse
) -> dict[str, Any]:
    """Batches from Java that are stored."""
    reason = second_language.missing()
    if reason is not None:
        say(f"no batch from Java: {reason}")
        return {"second_language_batches": 0, "second_language_skipped": reason}
    key_file = parties.directory / "own.pem"
    batch = second_language.JavaBatch(
        settings.bootstrap, OWN, key_file, parties.own.key_id, "6e" * 16, settings.partitions
    )
    second_language.send(batch)
    question = "SELECT count() FROM v_orders WHERE platform_id = %(p)s AND source = 'java-1'"
    deadline = time.monotonic() + 60
    while True:
        stored = int(warehouse.rows(question, {"p": OWN})[0][0])
        if stored or time.monotonic() > deadline:
            return {"second_language_batches": stored, "second_language_skipped": ""}
        time.sleep(0.5)


def _fuzz(size: Size, say: Say) -> dict[str, Any]:
    found = http_fuzz.run(size.fuzz_s, size.seed)
    for line in found.failures.values():
        say(f"FAILED: {line}")
    cases, crashes = fuzz.run(size.decoder_cases, size.seed)
    return {"fuzz_cases": found.cases + cases, "fuzz_crashes": found.crashes + crashes}


def _bench(seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.gateway", "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=False)
    if done.returncode:
        raise StackError("the benchmark failed: " + done.stderr.strip()[-500:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found.pop("detail")
    return found


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False
