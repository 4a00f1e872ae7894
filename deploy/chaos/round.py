"""One round: a fresh stack under load, faults as planned, quiet, then the comparison."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psutil

from deploy.chaos import alerts, compare, sdk_source, tally, wiring
from deploy.chaos.book import Book
from deploy.chaos.inject import Seen, Target
from deploy.chaos.plan import Fault, RoundPlan
from deploy.chaos.proxy import Proxies
from deploy.chaos.recovery import RecoveryClock, Watch
from deploy.chaos.result import Load, RoundResult
from deploy.chaos.small_disk import SmallDisk
from deploy.chaos.sources import Sources
from deploy.chaos.unruly import Unruly
from deploy.chaos.wiring import SPOOLS
from deploy.check import indicators
from deploy.check.orphans import Census
from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.stack.home import Home
from deploy.stack.running import RunningStack
from deploy.stack.stop_request import StopRequest
from producers.simulate.anomalies import read_truth
from schemas.telemetry import SampleType

_TICK_S = 0.1
_SAY_EVERY_S = 15.0
_SEEN_WITHIN_S = 70.0
_SETTLE_S = 900.0
_HOLE = re.compile(rb"reading a hole again")


class InterruptedChaosError(StackError):
    """Stopped by hand."""

    exit_code = 130


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
        self._settings, self._to_clickhouse, self._to_kafka = wiring.wiring(
            plan.brokers, load, home
        )
        self._census = Census()
        self._result = RoundResult()
        self._waiting: list[tuple[Fault, Seen, float]] = []
        self._rss: dict[str, int] = {}
        self._said = self._measured = 0.0

    def run(self) -> RoundResult:
        """Raises StackError when a part does not start; nothing is left running then."""
        self._home.prepare()
        disk = SmallDisk(self._home.root / SPOOLS)
        with disk, Proxies([self._to_clickhouse, *self._to_kafka]):
            env = {
                "LIVEWATCH_SESSION_TIMEOUT_S": f"{self._load.session_timeout_s:g}",
            }
            stack = RunningStack(self._settings, self._chatter, env=env)
            try:
                self._require(stack.await_ready(self._request.wait))
                self._drive(stack, disk)
            finally:
                self._census.count(stack.state())
                self._result.stack_exit = stack.stop()
        self._result.orphans = self._census.orphans()
        self._result.rss_mb = {name: rss // 2**20 for name, rss in sorted(self._rss.items())}
        return self._result

    def _drive(self, stack: RunningStack, disk: SmallDisk) -> None:
        cast = self._cast = wiring.cast(self._plan, self._load, self._settings, self._home)
        sources = Sources(cast.programs, self._home.logs)
        book = self._home.data / "unruly.sqlite"
        unruly = Unruly(
            self._settings.bootstrap, book, self._load.partitions, cast.clock, cast.end_ms
        )
        warehouse = Warehouse.of(self._settings)
        lag = RecoveryClock(slack_s=60 + 3 * self._load.speed)
        watch = Watch(warehouse, cast.event_ms, lag)
        target = Target(
            stack, sources, unruly, self._to_clickhouse, self._to_kafka, disk,
            cast.tallies[sdk_source.PLATFORM], self._load.session_timeout_s,
        )  # fmt: skip
        try:
            sources.start()
            unruly.start()
            watch.start()
            self._under_load(target, watch, cast.clock.start_wall_ms / 1000)
            self._settle(target, warehouse)
        finally:
            target.later.work(everything=True)
            unruly.stop(0.0)
            sources.stop()
            watch.stop()
        self._result.recoveries, self._result.calm = lag.times, lag.calm_times
        self._compare(warehouse)

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

    def _settle(self, target: Target, warehouse: Warehouse) -> None:
        """Until SQL has every row of the books and every minute is closed."""
        target.later.work(everything=True)
        if not target.unruly.stop(90.0):
            raise StackError(f"the unruly source did not end: {target.unruly.error!r}")
        produced = sum(_rows(path) for path in self._books())
        began = time.monotonic()
        while time.monotonic() - began < _SETTLE_S:
            self._tick(target)
            stored, closed = _stored(warehouse, self._cast.tallies)
            done = closed + 120_000 >= self._cast.end_ms and not self._open(warehouse)
            if stored >= produced and done and not any(self._unstored(warehouse)):
                self._result.settled = True
                break
            time.sleep(1.0)
        self._result.rate = produced / self._plan.load_s
        state = target.stack.state()
        self._result.restarts = sum(r.restarts for r in state.processes.values()) if state else 0
        took = time.monotonic() - began
        self._say(f"{stored:,} of {produced:,} rows stored {took:.0f} s after the load's end")

    @staticmethod
    def _open(warehouse: Warehouse) -> bool:
        """Whether a minute that has raw rows in time is not closed, or not for all."""
        return indicators.check_minutes(warehouse).wrong_minutes > 0 and bool(
            warehouse.rows("SELECT max(stored_at) > now64(3) - 20 FROM raw_viewers")[0][0]
        )

    def _unstored(self, warehouse: Warehouse) -> list[int]:
        """How many of the numbered samples are accepted and not stored, by source."""
        return [found.missing for found in self._told(warehouse).values()]

    def _told(self, warehouse: Warehouse) -> dict[str, tally.TallyFindings]:
        return {
            name: tally.compare(name, tally.read(path), tally.stored_rows(name, warehouse))
            for name, path in self._cast.tallies.items()
        }

    def _books(self) -> list[Path]:
        return [*self._cast.books(), self._home.data / "unruly.sqlite"]

    def _compare(self, warehouse: Warehouse) -> None:
        """With the stack still up and nothing moving any more."""
        result = self._result
        self._confirm()
        for fault, _, _ in self._waiting:
            result.missed[fault.kind] += 1
        result.rows = compare.compare_rows(self._books(), warehouse, list(self._cast.tallies))
        result.told = self._told(warehouse)
        result.indicators = compare.compare_indicators(warehouse)
        bootstrap = self._settings.bootstrap
        dead = alerts.read_topic(bootstrap, SampleType.ORDERS.dlq_topic)
        refused = {h["ce_id"].decode() for _, h in dead if h["ce_source"].endswith(b"/ahead")}
        result.deeds = compare.compare_deeds(self._books()[-1], warehouse, refused)
        truth = [a for o in self._cast.platforms for a in read_truth(o.out / "truth.jsonl")]
        result.flags = alerts.compare_flags(truth, alerts.delivered_flags(bootstrap), warehouse)
        result.holes = sum(
            len(_HOLE.findall(log.read_bytes())) for log in self._home.logs.glob("w*.log*")
        )
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


def _rows(path: Path) -> int:
    book = Book(path)
    try:
        return book.rows()
    finally:
        book.close()


def _stored(warehouse: Warehouse, numbered: Collection[str]) -> tuple[int, int]:
    """Rows of the sources with books, and the end of the last closed minute, ms (0: none)."""
    others = compare.others_sql(numbered)
    views = " UNION ALL ".join(
        f"SELECT count() AS n FROM v_{s.value} WHERE {others}"  # noqa: S608
        for s in SampleType
    )
    told: list[tuple[Any, ...]] = warehouse.rows(f"SELECT sum(n) FROM ({views})")  # noqa: S608
    closed = warehouse.rows(
        "SELECT toUnixTimestamp(max(minute)) FROM indicators_cell WHERE closed = 1"
    )
    return int(told[0][0]), int(closed[0][0]) * 1000
