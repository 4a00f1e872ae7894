"""The worker: a Faust app whose two agents feed the stages' partitions.

Four kinds of work go on side by side, none of which waits for another: the agents put records
into the mailbox; one task folds them, complaints first; each partition is looked at every second,
so that flags do not wait; each partition commits whenever something can be closed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from pipelines.agents.app import RAW_TOPIC, make_app, state_table
from pipelines.agents.decisions import follow_decisions
from pipelines.agents.ends import Ends
from pipelines.agents.exits import EX_TEMPFAIL
from pipelines.agents.fold import FoldStage
from pipelines.agents.gauges import measure
from pipelines.agents.health import Health, HealthPolicy
from pipelines.agents.intake import Intake, lane_of
from pipelines.agents.outlet import WorkerOutlet
from pipelines.agents.owned import Key, Owned
from pipelines.agents.pages import add_pages
from pipelines.agents.partition import Moved, Partition
from pipelines.agents.records import record_of
from pipelines.agents.rollup import RollupStage
from pipelines.agents.rounds import Rounds
from pipelines.agents.signers import signers_of
from pipelines.agents.stage import Stage
from pipelines.agents.store import Event
from pipelines.calibration import calibrated
from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.fold.clock import ClockPolicy
from pipelines.core.mailbox import Lane
from pipelines.instruments import Instruments
from pipelines.season import seasonal
from pipelines.settings import Settings
from pipelines.topics import FOLD_STATE, ROLLUP_STATE
from schemas.telemetry import SampleType

log = structlog.get_logger()
HOLE_SEEK_S = 2.0
HOLE_EXIT_S = 60.0
MINUTES_PER_COMMIT = 120
POSITIONS_EVERY_S = 5.0
ENDS_EVERY_S = 5.0
# A stop waits so long for the commits that run: with Kafka away they would take for ever.
FINISH_S = 10.0
# Handing over a record takes the consumer several turns of the event loop, and a fold takes one:
# without some turns in between a complaint would come in as slowly as viewers are folded. What
# the consumer has fetched is taken in whole; that is a batch at most, and then lanes are paused.
TURNS_PER_FOLD = 6


class Worker:
    """State of the process: what is read, folded, looked at and committed, and when."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        state_dir: Path,
        http_port: int,
        health: HealthPolicy | None = None,
    ) -> None:
        self.settings = settings
        self.instruments = Instruments()
        self._signers = signers_of(settings, self.instruments)
        self._spikes = calibrated(DEFAULT_POLICY, settings.calibration_file)
        self._season = seasonal(settings.season_file)
        self.app = make_app(settings, name, state_dir, http_port)
        self.outlet = WorkerOutlet(self.app, settings, self.instruments)
        self.ends = Ends(self.app)
        self.health = Health(health or HealthPolicy())
        self.intake = Intake(self.app, self.instruments, settings.mailbox_mb * 1_000_000)
        self.folded = 0
        self.start_seconds: float | None = None
        self._waiting: dict[Key, set[str]] = {}
        telemetry = self.app.topic(*(t.topic for t in SampleType), **RAW_TOPIC)
        tables = {
            "fold": state_table(self.app, FOLD_STATE, settings.partitions),
            "rollup": state_table(self.app, ROLLUP_STATE, 1),
        }
        self.owned = Owned(self, {"fold": self._fold_stage, "rollup": self._rollup_stage}, tables)
        follow_decisions(self.app, self.outlet.warehouse, self.owned)
        self._rounds = Rounds(self.app.add_future)
        self.app.finish = partial(self._rounds.end, FINISH_S)
        self._read("fold", telemetry)
        self._read("rollup", self.outlet.cells)
        for task in (self._fold_all, self._flush_raw, self._commit_all, self._look_all):
            self.app.task(task)
        add_pages(self.app, self)

    def _fold_stage(self, partition: int) -> Stage:
        settings = self.settings
        clock = ClockPolicy(
            int(settings.lateness_s * 1000),
            int(settings.idle_s * 1000),
            max_ahead_ms=settings.max_ahead_minutes * 60_000,
        )
        return FoldStage(
            partition,
            settings.partitions,
            self.instruments,
            clock,
            self._spikes,
            self._signers,
            self._season,
        )

    def _rollup_stage(self, _: int) -> Stage:
        return RollupStage(self.settings.partitions, self._spikes, self._season)

    # -- receiving and folding ----------------------------------------------------------------

    def _read(self, name: str, topic: Any) -> None:
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                if event.message.generation_id == self.outlet.generation():
                    self.intake.offer(event)

        self.app.agent(topic, name=name, concurrency=1, supervisor_strategy=CrashingSupervisor)(
            agent
        )

    async def _fold_all(self) -> None:
        while not self.app.should_stop:
            event = self.intake.take(self._may_fold)
            if event is None:
                await self.intake.arrival(0.05)
                continue
            self._fold(event)
            await self.intake.quiet(TURNS_PER_FOLD)

    def _may_fold(self, lane: Lane, event: Event) -> bool:
        """Whether the record at the head of a lane may be folded now; loads what is not loaded."""
        if event.message.generation_id != self.outlet.generation():
            return True  # and is then let go
        key = self.owned.key_of(lane.topic, lane.partition)
        found = self.owned.get(key)
        if found is None:
            self._rounds.begin(("load", key), partial(self.owned.load, key, event))
            return False
        # What is held back behind a hole is no reason to wait: the hole has to be mended.
        waits = lane.topic in self._waiting.get(key, ())
        if waits and not found.topics[lane.topic].position.held:
            return False
        # While ClickHouse is behind memory stays bounded; complaints have some room of their own.
        room = self.settings.max_pending_rows * (5 if lane.rank == 0 else 4) // 4
        return self.outlet.raw.pending_rows <= room

    def _fold(self, event: Event) -> None:
        message = event.message
        found = self.owned.get(self.owned.key_of(message.topic, message.partition))
        if found is None or found.generation != message.generation_id:
            return
        record, repeats = record_of(event), found.repeats
        try:
            count = found.receive(event, record, time.monotonic())
        except Moved:
            # The topic was made anew. The record is read again as a hole, once loaded.
            self.owned.drop(self.owned.key_of(message.topic, message.partition), found)
            return
        if count:
            self.folded += count
            self.instruments.records.labels(message.topic).inc(count)
            delay = time.time() - record.broker_ms / 1000
            self.instruments.fold_delay.labels(message.topic).observe(max(0.0, delay))
        self.instruments.repeats.inc(found.repeats - repeats)

    # -- committing and looking ---------------------------------------------------------------

    async def _flush_raw(self) -> None:
        while not self.app.should_stop:
            await self.app.sleep(self.settings.flush_s)
            await self.outlet.raw.flush()

    async def _commit_all(self) -> None:
        while not self.app.should_stop:
            await self.app.sleep(0.1)
            for key, one in self.owned.items():
                self._rounds.begin(("commit", key), partial(self._guarded, key, one, self._commit))

    async def _look_all(self) -> None:
        generation, asked = 0, 0.0
        while not self.app.should_stop:
            await self.app.sleep(self.settings.tick_s)
            if generation != self.outlet.generation():
                generation, asked = self.outlet.generation(), 0.0
                self._new_generation(generation)
            if time.monotonic() - asked >= ENDS_EVERY_S:
                asked = time.monotonic()
                self._rounds.begin("ends", lambda: self.ends.ask(time.monotonic()))
            for key, one in self.owned.items():
                self._rounds.begin(("look", key), partial(self._guarded, key, one, self._look))
            measure(self, time.time())

    def _new_generation(self, generation: int) -> None:
        self.ends.forget()
        self.instruments.forget_partitions()
        self.intake.keep_generation(generation)
        self.owned.keep_generation(generation)

    async def _guarded(
        self, key: Key, one: Partition, work: Callable[[Key, Partition], Awaitable[None]]
    ) -> None:
        try:
            one.check()
            await work(key, one)
        except Moved:
            self.owned.drop(key, one)

    async def _look(self, _: Key, one: Partition) -> None:
        await one.look(round(time.time() * 1000))
        await self._mend_holes(one)

    async def _commit(self, key: Key, one: Partition) -> None:
        now_ms = round(time.time() * 1000)
        ends = {t: self.ends.or_far(TP(t, one.number)) for t in one.topics}
        self._waiting[key] = one.stage.waiting(one.clocks(now_ms, ends))
        stale = now_ms / 1000 - one.last_checkpoint > POSITIONS_EVERY_S
        await one.commit(now_ms, ends, MINUTES_PER_COMMIT, force=stale)

    async def _mend_holes(self, one: Partition) -> None:
        for name, topic in one.topics.items():
            now = time.monotonic()
            if topic.position.hole_age(now) > HOLE_EXIT_S:
                log.error("a hole stays open, ending", topic=name, partition=one.number)
                os._exit(EX_TEMPFAIL)
            if topic.position.seek_due(now, HOLE_SEEK_S):
                log.warning(
                    "reading a hole again", topic=name, partition=one.number,
                    offset=topic.position.next,
                )  # fmt: skip
                self.instruments.holes.inc()
                self.intake.clear(lane_of(name, one.number))
                await self.app.consumer.seek(TP(name, one.number), topic.position.next)
