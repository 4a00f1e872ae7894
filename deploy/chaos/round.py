"""One round: a fresh stack under load, faults as planned, quiet, then the comparison."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from deploy.chaos import alerts, compare
from deploy.chaos.book import Book
from deploy.chaos.inject import Seen, Target
from deploy.chaos.plan import Fault, RoundPlan
from deploy.chaos.proxy import Proxies, Proxy, any_reply, inserted
from deploy.chaos.recovery import RecoveryClock, Watch
from deploy.chaos.source import SourceOptions
from deploy.chaos.sources import Sources
from deploy.chaos.unruly import Unruly
from deploy.check import indicators
from deploy.check.orphans import Census
from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.stack.home import Home
from deploy.stack.ports import free_run
from deploy.stack.running import RunningStack
from deploy.stack.settings import BROKER_STRIDE, Detours, StackSettings
from deploy.stack.stop_request import StopRequest
from producers.clock import EventClock
from producers.pacing import wall_ms
from producers.simulate.anomalies import Anomaly, read_truth
from schemas.telemetry import SampleType

_TICK_S = 0.1
_SAY_EVERY_S = 15.0
_SEEN_WITHIN_S = 70.0
_SETTLE_S = 240.0
_HOLE = re.compile(rb"reading a hole again")


class InterruptedChaosError(StackError):
    """Stopped by hand."""

    exit_code = 130


@dataclass(frozen=True)
class Load:
    """The load of a round: `sources` platforms, a process each. Rates are per wall second."""

    sources: int = 3
    sessions: int = 3_200
    speed: float = 20.0
    sample_every_s: int = 20
    spikes: int = 2
    partitions: int = 4
    workers: int = 2
    session_timeout_s: float = 6.0


@dataclass
class RoundResult:
    """What one round has shown."""

    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    rows: compare.RowFindings = field(default_factory=compare.RowFindings)
    indicators: compare.IndicatorFindings = field(default_factory=compare.IndicatorFindings)
    deeds: compare.DeedFindings = field(default_factory=compare.DeedFindings)
    flags: alerts.FlagFindings = field(default_factory=alerts.FlagFindings)
    rate: float = 0.0
    holes: int = 0
    restarts: int = 0
    recoveries: list[float] = field(default_factory=list)
    rss_mb: dict[str, int] = field(default_factory=dict)
    settled: bool = False
    stack_exit: int = 0
    orphans: list[int] = field(default_factory=list)

    def errors(self) -> dict[str, int]:
        """The columns that must be 0."""
        r, d = self.rows, self.deeds
        return {
            "missing": r.missing,
            "duplicates": r.duplicates,
            "unknown": r.unknown,
            "wrong_sums": r.wrong_sessions,
            "wrong_indicators": self.indicators.wrong,
            "flags_lost": self.flags.lost,
            "flags_doubled": self.flags.doubled,
            "gaps_unproven": abs(d.dropped - d.gaps),
            "refused_unproven": d.ahead - d.refused,
            "unsettled": int(not self.settled),
            "orphans": len(self.orphans),
        }


class Round:
    """One round in `home`, which must be new. `say` gets progress lines."""

    def __init__(
        self,
        plan: RoundPlan,
        load: Load,
        home: Path,
        request: StopRequest,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._load, self._request, self._say = plan, load, request, say
        self._home = Home(home)
        self._settings, self._to_clickhouse, self._to_kafka = _wiring(plan.brokers, load, home)
        self._census = Census()
        self._result = RoundResult()
        self._waiting: list[tuple[Fault, Seen, float]] = []
        self._rss: dict[str, int] = {}
        self._said = self._measured = 0.0

    def run(self) -> RoundResult:
        """Raises StackError when a part does not start; nothing is left running then."""
        with Proxies([self._to_clickhouse, *self._to_kafka]):
            env = {
                "LIVEWATCH_SESSION_TIMEOUT_S": f"{self._load.session_timeout_s:g}",
            }
            stack = RunningStack(self._settings, self._chatter, env=env)
            try:
                self._require(stack.await_ready(self._request.wait))
                self._drive(stack)
            finally:
                self._census.count(stack.state())
                self._result.stack_exit = stack.stop()
        self._result.orphans = self._census.orphans()
        self._result.rss_mb = {name: rss // 2**20 for name, rss in sorted(self._rss.items())}
        return self._result

    def _drive(self, stack: RunningStack) -> None:
        clock, options = self._sources()
        sources = Sources(options, self._home.logs)
        book = self._home.data / "unruly.sqlite"
        unruly = Unruly(
            self._settings.bootstrap, book, self._load.partitions, clock, options[0].end_ms
        )
        warehouse = Warehouse.of(self._settings)
        lag = RecoveryClock(slack_s=60 + 3 * self._load.speed)
        watch = Watch(warehouse, lambda: _event_ms(clock, options[0].end_ms), lag)
        target = Target(
            stack, sources, unruly, self._to_clickhouse, self._to_kafka,
            self._load.session_timeout_s,
        )  # fmt: skip
        try:
            sources.start()
            unruly.start()
            watch.start()
            self._under_load(target, watch, options[0].start_wall_ms / 1000)
            self._settle(target, warehouse, watch)
        finally:
            target.later.work(everything=True)
            unruly.stop(0.0)
            sources.stop()
            watch.stop()
        self._result.recoveries = lag.times
        self._compare(target, warehouse)

    def _sources(self) -> tuple[EventClock, list[SourceOptions]]:
        load, now = self._load, wall_ms()
        start_wall = now + 5_000  # what a source needs to be up
        length = round(self._plan.load_s * 1000 * load.speed)
        # Event time runs faster than the clock and ends where the clock is.
        start = start_wall + round(self._plan.load_s * 1000) - length
        clock = EventClock(start, start_wall, load.speed)
        options = [
            SourceOptions(
                self._settings.bootstrap, self._home.data / f"source{n}", f"platform{n + 1}",
                self._plan.seed * 10 + n, load.sessions, load.speed, start, start_wall,
                start + length, load.sample_every_s * 1000, load.spikes,
            )
            for n in range(load.sources)
        ]  # fmt: skip
        return clock, options

    # -- under load ---------------------------------------------------------------------------

    def _under_load(self, target: Target, watch: Watch, began: float) -> None:
        faults = list(self._plan.faults)
        until = began + self._plan.load_s
        while time.time() < until or not target.sources.done:
            self._tick(target)
            if faults and time.time() >= began + faults[0].at_s:
                self._inject(faults.pop(0), target, watch)
            if time.monotonic() - self._said > _SAY_EVERY_S:
                self._said = time.monotonic()
                lag = "unknown" if watch.lag_s is None else f"{watch.lag_s:.0f} s"
                hit = sum(self._result.faults.values())
                self._say(f"{hit} faults so far, figures behind by {lag} of event time")
            if time.time() > until + _SETTLE_S:
                raise StackError("the sources cannot send what they have; see their logs")

    def _inject(self, fault: Fault, target: Target, watch: Watch) -> None:
        seen = target.inject(fault)
        if seen is None:
            self._result.missed[fault.kind] += 1
            return
        watch.fault()
        self._waiting.append((fault, seen, time.monotonic() + _SEEN_WITHIN_S))

    def _tick(self, target: Target) -> None:
        self._require(not self._request.wait(_TICK_S))
        target.stack.poll()
        target.later.work()
        for process in target.sources.look():
            self._census.add(process)
        self._confirm()
        if time.monotonic() - self._measured > 2.0:
            self._measured = time.monotonic()
            self._census.count(target.stack.state())
            self._measure(target)

    def _confirm(self) -> None:
        """Count what has had its effect."""
        now, left = time.monotonic(), []
        for fault, seen, until in self._waiting:
            if seen():
                self._result.faults[fault.kind] += 1
            elif now < until:
                left.append((fault, seen, until))
            else:
                self._result.missed[fault.kind] += 1
        self._waiting = left

    def _measure(self, target: Target) -> None:
        state = target.stack.state()
        for name, record in (state.processes if state else {}).items():
            try:
                rss = psutil.Process(record.pid).memory_info().rss
            except psutil.Error:
                continue
            self._rss[name] = max(self._rss.get(name, 0), rss)

    # -- quiet --------------------------------------------------------------------------------

    def _settle(self, target: Target, warehouse: Warehouse, watch: Watch) -> None:
        """Until SQL has every row of the books and every minute is closed."""
        target.later.work(everything=True)
        if not target.unruly.stop(90.0):
            raise StackError(f"the unruly source did not end: {target.unruly.error!r}")
        books = self._books(target)
        produced = sum(_rows(path) for path in books)
        newest = max(o.end_ms for o in target.sources.options)
        began = time.monotonic()
        while time.monotonic() - began < _SETTLE_S:
            self._tick(target)
            stored, closed = _stored(warehouse)
            if stored >= produced and closed + 120_000 >= newest and not self._open(warehouse):
                self._result.settled = True
                break
            time.sleep(1.0)
        self._result.rate = produced / self._plan.load_s
        took = time.monotonic() - began
        self._say(f"{stored:,} of {produced:,} rows stored {took:.0f} s after the load's end")

    @staticmethod
    def _open(warehouse: Warehouse) -> bool:
        """Whether a minute that has raw rows in time is not closed, or not for all."""
        return indicators.check_minutes(warehouse).wrong_minutes > 0 and bool(
            warehouse.rows("SELECT max(stored_at) > now64(3) - 20 FROM raw_viewers")[0][0]
        )

    def _books(self, target: Target) -> list[Path]:
        return [*target.sources.books(), self._home.data / "unruly.sqlite"]

    def _compare(self, target: Target, warehouse: Warehouse) -> None:
        """With the stack still up and nothing moving any more."""
        result = self._result
        self._confirm()
        for fault, _, _ in self._waiting:
            result.missed[fault.kind] += 1
        result.rows = compare.compare_rows(self._books(target), warehouse)
        result.indicators = compare.compare_indicators(warehouse)
        bootstrap = self._settings.bootstrap
        dead = alerts.read_topic(bootstrap, SampleType.ORDERS.dlq_topic)
        refused = {h["ce_id"].decode() for _, h in dead if h["ce_source"].endswith(b"/ahead")}
        result.deeds = compare.compare_deeds(self._books(target)[-1], warehouse, refused)
        truth = [a for o in target.sources.options for a in _truth(o)]
        result.flags = alerts.compare_flags(truth, alerts.delivered_flags(bootstrap), warehouse)
        result.holes = sum(
            len(_HOLE.findall(log.read_bytes())) for log in self._home.logs.glob("w*.log*")
        )
        state = target.stack.state()
        result.restarts = sum(r.restarts for r in state.processes.values()) if state else 0
        for line in [*result.indicators.first, *result.flags.details]:
            self._say(line)

    def _chatter(self, line: str) -> None:
        """What the supervisor says: of interest only when it gives something up."""
        if "given up" in line:
            self._say(line)

    @staticmethod
    def _require(going_on: bool) -> None:
        if not going_on:
            raise InterruptedChaosError("stopped before the end")


def _wiring(brokers: int, load: Load, home: Path) -> tuple[StackSettings, Proxy, list[Proxy]]:
    """Settings of the stack, with a proxy in front of ClickHouse and of each broker."""
    from deploy.stack.ports import free_ports

    ports = free_ports(load.workers, brokers)
    taken = set(ports.named(load.workers, brokers).values())
    while True:
        via = free_run(brokers * BROKER_STRIDE + 1)
        if not taken & set(range(via, via + brokers * BROKER_STRIDE + 1)):
            break
    detours = Detours(via, via + brokers * BROKER_STRIDE)
    settings = StackSettings(
        home,
        ports,
        load.workers,
        load.partitions,
        screen=False,
        unsigned="accept",
        brokers=brokers,
        detours=detours,
    )
    to_kafka = [
        Proxy(via + n * BROKER_STRIDE, ports.kafka + n * BROKER_STRIDE, any_reply)
        for n in range(brokers)
    ]
    return settings, Proxy(detours.clickhouse, ports.clickhouse, inserted), to_kafka


def _event_ms(clock: EventClock, end_ms: int) -> int:
    passed = max(0, wall_ms() - clock.start_wall_ms)
    return min(end_ms, clock.start_event_ms + round(passed * (clock.speed or 1.0)))


def _rows(path: Path) -> int:
    book = Book(path)
    try:
        return book.rows()
    finally:
        book.close()


def _truth(options: SourceOptions) -> list[Anomaly]:
    return list(read_truth(options.out / "truth.jsonl"))


def _stored(warehouse: Warehouse) -> tuple[int, int]:
    """Rows in all views, and the end of the last closed minute, ms (0: none)."""
    views = " UNION ALL ".join(f"SELECT count() AS n FROM v_{s.value}" for s in SampleType)  # noqa: S608
    told: list[tuple[Any, ...]] = warehouse.rows(f"SELECT sum(n) FROM ({views})")  # noqa: S608
    closed = warehouse.rows(
        "SELECT toUnixTimestamp(max(minute)) FROM indicators_cell WHERE closed = 1"
    )
    return int(told[0][0]), int(closed[0][0]) * 1000
