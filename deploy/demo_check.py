"""`livewatch demo-check`: prove on a whole stack that nothing is lost, doubled or missed.

A fresh stack in a home of its own, a simulated city with complaint spikes whose truth is written
down beforehand, a worker killed in the middle; then the producer's own book against SQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.check import flags, indicators, latency, ledger_vs_sql
from deploy.check.findings import Findings
from deploy.check.orphans import Census
from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.simulator import Simulator, SimulatorOptions
from deploy.stack.home import Home
from deploy.stack.running import RunningStack
from deploy.stack.services import http_not_ready
from deploy.stack.settings import StackSettings
from deploy.stack.stop_request import StopRequest
from producers.clock import EventClock
from schemas.telemetry import SampleType

_POLL_S = 0.5
_SAY_EVERY_S = 5.0


class InterruptedCheckError(StackError):
    """Stopped by hand before the check was over."""

    exit_code = 130


@dataclass(frozen=True)
class CheckOptions:
    """`settle_s`: how long after the last batch everything may take to be stored and closed."""

    simulator: SimulatorOptions
    kills: int = 1
    settle_s: float = 180.0


class DemoCheck:
    """One run of the check. `say` gets progress lines."""

    def __init__(
        self, settings: StackSettings, options: CheckOptions, say: Callable[[str], None]
    ) -> None:
        self._settings, self._options = settings, options
        self._began = time.monotonic()
        self._sink = say
        self._request = StopRequest()
        self._census = Census()
        self._findings = Findings()

    def run(self) -> dict[str, Any]:
        """The report. Raises StackError when the stack or the simulator fails; nothing is left
        running then."""
        with self._request.listening():
            stack = RunningStack(self._settings, self._say)
            try:
                self._require(stack.await_ready(self._request.wait))
                self._drive(stack)
            finally:
                self._census.count(stack.state())
                self._findings.stack_exit = stack.stop()
        self._findings.orphans = self._census.orphans()
        for failure in self._findings.failures:
            self._say(f"FAILED: {failure}")
        return self._findings.report(time.monotonic() - self._began)

    def _drive(self, stack: RunningStack) -> None:
        home = Home(self._settings.home)
        simulator = Simulator(
            self._options.simulator,
            self._settings.bootstrap,
            home.root / "data" / "push",
            home.logs / "simulator.log",
        )
        try:
            self._while_it_runs(stack, simulator)
            self._findings.simulator_exit = simulator.exit_code()
        finally:
            self._census.add(simulator.process)
            if simulator.exit_code() is None:
                self._findings.simulator_exit = simulator.stop()
        warehouse = Warehouse.of(self._settings)
        self._settle(stack, simulator, warehouse)
        self._compare(simulator, warehouse)

    def _while_it_runs(self, stack: RunningStack, simulator: Simulator) -> None:
        """Until the simulator ends; workers are killed at even distances on the way."""
        last = time.monotonic()
        while simulator.exit_code() is None:
            self._tick(stack)
            simulator.ledger.read()
            done = self._share_done(simulator)
            kills = self._findings.kills
            if kills < self._options.kills and done >= (kills + 1) / (self._options.kills + 1):
                self._kill_worker(stack)
            if time.monotonic() - last >= _SAY_EVERY_S:
                last = time.monotonic()
                self._say(f"produced {simulator.ledger.total:,} rows, {done:.0%} of event time")
        simulator.check()
        simulator.ledger.read()
        self._say(f"simulator done: {simulator.ledger.total:,} rows in its ledger")

    def _kill_worker(self, stack: RunningStack) -> None:
        """SIGKILL, then wait until its successor answers."""
        names = self._settings.worker_names()
        number = self._findings.kills % len(names)
        before = stack.state()
        stack.kill_process(names[number])
        self._findings.kills += 1
        self._say(f"killed {names[number]} with SIGKILL")
        port, since = self._settings.ports.worker_base + number, time.monotonic()
        while True:
            self._tick(stack)
            now = stack.state()
            restarted = (
                before
                and now
                and now.processes[names[number]].restarts
                > (before.processes[names[number]].restarts)
            )
            if restarted and http_not_ready(port, "/readyz") is None:
                break
            if time.monotonic() - since > self._options.settle_s:
                raise StackError(f"{names[number]} did not come back after it was killed")
        self._say(f"{names[number]} is back and ready after {time.monotonic() - since:.1f} s")

    def _settle(self, stack: RunningStack, simulator: Simulator, warehouse: Warehouse) -> None:
        """Wait, bounded, until SQL has as many rows as were produced and every minute is closed."""
        began = last = time.monotonic()
        produced, newest = simulator.ledger.total, simulator.ledger.newest_event_ms
        while time.monotonic() - began < self._options.settle_s:
            self._tick(stack)
            stored = _stored(warehouse)
            closed = indicators.closed_through(warehouse)
            if stored >= produced and closed and _ms(closed) + 60_000 > newest:
                self._findings.settled = True
                self._say(f"stored {stored:,} rows, closed through {closed:%Y-%m-%d %H:%M} UTC")
                return
            if time.monotonic() - last >= _SAY_EVERY_S:
                last = time.monotonic()
                through = f"{closed:%H:%M}" if closed else "nothing"
                self._say(f"stored {stored:,} of {produced:,} rows, closed through {through}")

    def _compare(self, simulator: Simulator, warehouse: Warehouse) -> None:
        found = self._findings
        self._say("comparing the ledger's identities with SQL")
        found.rows = ledger_vs_sql.compare([simulator.ledger.path], warehouse)
        found.minutes = indicators.check_minutes(warehouse)
        found.flags = flags.judge(simulator.truth(), flags.read_decisions(warehouse))
        clock = simulator.clock()
        found.latency = latency.measure(clock, warehouse) if clock else None
        for line in found.lines():
            self._say(line)

    def _say(self, line: str) -> None:
        self._sink(f"[{time.monotonic() - self._began:6.1f} s] {line}")

    def _share_done(self, simulator: Simulator) -> float:
        clock = simulator.clock()
        return _progress(clock, simulator.ledger.newest_event_ms) if clock else 0.0

    def _tick(self, stack: RunningStack) -> None:
        self._require(not self._request.wait(_POLL_S))
        stack.poll()
        self._census.count(stack.state())

    @staticmethod
    def _require(going_on: bool) -> None:
        if not going_on:
            raise InterruptedCheckError("stopped before the check was over")


def _progress(clock: EventClock, newest_event_ms: int) -> float:
    """Share of the run; a run ends when its event time has caught up with the clock."""
    if clock.speed is None or clock.speed <= 1:
        return 0.0
    behind_at_start = clock.start_wall_ms - clock.start_event_ms
    length = behind_at_start * clock.speed / (clock.speed - 1)
    return min(1.0, max(0.0, (newest_event_ms - clock.start_event_ms) / length))


def _stored(warehouse: Warehouse) -> int:
    views = (f"SELECT count() AS n FROM v_{s.value}" for s in SampleType)  # noqa: S608 - own names
    counts = " UNION ALL ".join(views)
    return int(warehouse.rows(f"SELECT sum(n) FROM ({counts})")[0][0])  # noqa: S608


def _ms(when: datetime) -> int:
    """ClickHouse's times are UTC; the driver may leave the zone out."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
