"""The clerk: the detectors' events into entries, what time makes due, and the tables filled.

Several clerks at once are safe (all append through the fence of `log`), and one is enough.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipelines.api import metrics
from pipelines.core.ledger.book import Book, BrokenChainError
from pipelines.core.ledger.entry import Draft
from pipelines.core.ledger.events import draft_of
from pipelines.core.ledger.requests import AddWorkingDays
from pipelines.core.levels.clerk import due
from pipelines.core.levels.policy import RoutingPolicy
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.log import LedgerLog
from pipelines.ledger.table import Filler, access_columns, ledger_columns
from pipelines.settings import Settings
from pipelines.sinks.warehouse import Warehouse
from pipelines.topics import AUDIT_TOPIC, FLAGS_TOPIC, LEDGER_TOPIC

log = structlog.get_logger("livewatch.clerk")
Event = dict[str, Any]
_TICK_S = 1.0
_REST_S = 1.0


class Clerk:
    """Runs until it is cancelled; a failure of Kafka or ClickHouse is waited out."""

    def __init__(
        self,
        settings: Settings,
        ledger: LedgerLog,
        warehouse: Warehouse,
        policy: RoutingPolicy,
        add_working_days: AddWorkingDays,
        now_ms: Callable[[], int],
    ) -> None:
        self._settings, self._ledger, self._warehouse = settings, ledger, warehouse
        self._policy, self._workdays, self._now_ms = policy, add_working_days, now_ms

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._for_ever("events", self._events))
            tasks.create_task(self._for_ever("levels", self._levels))
            tasks.create_task(self._for_ever("ledger table", self._fill_ledger))
            tasks.create_task(self._for_ever("access table", self._fill_access))

    async def _for_ever(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except (KafkaError, LedgerError, TimeoutError) as error:
                metrics.CLERK_FAILURES.labels(what).inc()
                log.warning("the clerk waits", what=what, error=str(error)[:200])
            except BrokenChainError as error:
                metrics.CLERK_FAILURES.labels(what).inc()
                log.critical("see docs/runbooks/chain-broken.md", error=str(error))
                await asyncio.sleep(60)
            await asyncio.sleep(_REST_S)

    async def _events(self) -> None:
        """Flag events into entries, at least once; their identities make it exactly once."""
        at = TopicPartition(FLAGS_TOPIC, 0)
        consumer = _consumer(self._settings, f"{self._settings.group}-clerk")
        await consumer.start()
        try:
            consumer.assign([at])
            while True:
                got = await consumer.getmany(at, timeout_ms=500, max_records=500)
                values = [record.value or b"" for record in got.get(at, [])]
                if values:
                    await self._enter([e for v in values if (e := event_of(v)) is not None])
                    await consumer.commit()
        finally:
            await consumer.stop()

    async def _enter(self, events: Sequence[Event]) -> None:
        for some in one_of_each(events):

            def drafts(book: Book, some: Sequence[Event] = some) -> list[Draft]:
                found = (draft_of(event, book.files, self._policy.opens_from) for event in some)
                return [draft for draft in found if draft is not None]

            for entry in await self._ledger.append(drafts):
                metrics.ENTRIES.labels(entry.kind.value).inc()

    async def _levels(self) -> None:
        while True:
            await self._ledger.catch_up()
            metrics.stand(self._ledger.book, self._now_ms())
            while list(self._due(self._ledger.book)):
                for entry in await self._ledger.append(lambda book: list(self._due(book))):
                    metrics.ENTRIES.labels(entry.kind.value).inc()
            await asyncio.sleep(_TICK_S)

    def _due(self, book: Book) -> Iterator[Draft]:
        return due(book, self._policy, self._workdays, self._now_ms())

    async def _fill_ledger(self) -> None:
        """From where the table ends; from the start where it lacks something before that."""
        rows = await self._warehouse.query(
            "SELECT uniqExact(seq), min(seq), max(seq) FROM ledger", {}
        )
        count, first, last = (int(n) for n in rows[0])
        whole = count > 0 and count == last - first + 1
        group = f"{self._settings.group}-ledger-table"
        await self._fill(LEDGER_TOPIC, "ledger", ledger_columns, group, again=not whole)

    async def _fill_access(self) -> None:
        group = f"{self._settings.group}-access-table"
        await self._fill(AUDIT_TOPIC, "access_log", access_columns, group, again=False)

    async def _fill(self, topic: str, table: str, columns: Any, group: str, again: bool) -> None:
        filler = Filler(
            self._settings.bootstrap, topic, table, columns, self._warehouse, self._now_ms, group
        )
        await filler.start(again=again)
        try:
            while True:
                await filler.step()
        finally:
            await filler.stop()


def event_of(value: bytes) -> Event | None:
    """A flag event; None, and a line in the log, for what is none."""
    try:
        event = json.loads(value)
        draft_of(event, {}, "watch")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        metrics.UNREADABLE.inc()
        log.error("a record of the flags' topic is no flag event", why=type(error).__name__)
        return None
    return dict(event)


def one_of_each(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Events in rounds in which each flag comes once, in its order: an entry depends on those
    before it of the same flag."""
    rest = list(events)
    while rest:
        seen: set[str] = set()
        now: list[Event] = []
        later: list[Event] = []
        for event in rest:
            flag_id = str(event["flag_id"])
            (later if flag_id in seen else now).append(event)
            seen.add(flag_id)
        yield now
        rest = later


def _consumer(settings: Settings, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap.split(","),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
