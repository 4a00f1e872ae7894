"""Several processes append to one chain while they are killed: each entry once, and no fork."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from pipelines.core.ledger.book import BrokenChainError
from pipelines.core.ledger.entry import Draft, Entry, Kind, chained
from pipelines.core.ledger.verify import walk
from pipelines.ledger.log import LedgerLog
from pipelines.ledger.read import wall_ms

READ = {
    "isolation_level": "read_committed",
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
}


def opened(flag: str) -> Draft:
    return Draft(f"opened:{flag}", flag, Kind.OPENED, "clerk", "system")


def records(bootstrap: str, topic: str) -> list[bytes]:
    """What a reader of committed records sees, by a client that the ledger does not use."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, **READ)
    at = TopicPartition(topic, 0)
    consumer.assign([at])
    consumer.seek_to_beginning(at)
    end, out = consumer.end_offsets([at])[at], []
    while consumer.position(at) < end:
        out += [r.value for r in consumer.poll(500).get(at, [])]
    consumer.close()
    return out


class Appender:
    def __init__(self, bootstrap: str, topic: str, name: str, out: Path) -> None:
        self.where, self.name, self.out = (bootstrap, topic, f"{topic}-id", name), name, out
        out.touch()
        self.process = self._start(0, 1000)

    def _start(self, first: int, count: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.ledger.appender", *self.where]
        with self.out.open("ab") as into:
            return subprocess.Popen([*command, str(first), str(count)], stdout=into)

    def said(self) -> list[str]:
        return self.out.read_text().splitlines()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def again(self) -> None:
        """Start where it was when it died: what it had asked for last is asked for again."""
        self.process = self._start(len(self.said()), 1000)


def until(done: Callable[[], bool], what: str, timeout: float = 90) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_appenders_that_are_killed(kafka: Any, topic: str, tmp_path: Path) -> None:
    some = [Appender(kafka.bootstrap, topic, n, tmp_path / n) for n in ("a", "b", "c")]
    try:
        until(lambda: all(one.said() for one in some), "each has written")
        for round_ in range(4):
            one = some[round_ % 2]
            before = len(one.said())
            until(lambda one=one, n=before: len(one.said()) > n + 2, "it goes on")  # type: ignore[misc]
            one.kill()
            one.again()
        marks = [len(one.said()) for one in some]
        until(lambda: all(len(o.said()) > m for o, m in zip(some, marks, strict=True)), "all go on")
    finally:
        for one in some:
            one.kill()
    found = walk("topic", records(kafka.bootstrap, topic), wall_ms())
    assert found.findings == []
    written = [entry.flag_id for entry in found.entries]
    assert len(set(written)) == len(written)
    for one in some:
        mine = [flag for flag in written if flag.startswith(one.name)]
        said = one.said()
        assert len(set(said)) == len(said)
        assert mine == [f"{one.name}-{n}" for n in range(len(mine))]
        assert len(said) <= len(mine) <= len(said) + 1  # the last was written, the answer was lost


def test_a_writer_that_was_paused_cannot_write_over_its_successor(kafka: Any, topic: str) -> None:
    async def go() -> tuple[list[Entry], list[Entry]]:
        old = LedgerLog(kafka.bootstrap, topic, f"{topic}-id", wall_ms)
        new = LedgerLog(kafka.bootstrap, topic, f"{topic}-id", wall_ms)
        await old.start()
        await new.start()
        await old.append(lambda _: [opened("f1")])
        stale = old.book.next_entries([opened("f2")], wall_ms())
        await new.append(lambda _: [opened("f3")])
        with pytest.raises(Exception, match="newer producer"):
            await old._commit(stale)  # as one that slept between making and sending
        again = await old.append(lambda _: [opened("f2")])
        late = await new.append(lambda book: [] if "f2" in book.files else [opened("f2")])
        await old.stop()
        await new.stop()
        return again, late

    again, late = asyncio.run(go())
    assert [entry.seq for entry in again] == [2]
    assert late == []
    assert walk("topic", records(kafka.bootstrap, topic), wall_ms()).findings == []


def test_a_chain_that_does_not_hold_is_not_written_to(kafka: Any, topic: str) -> None:
    from kafka import KafkaProducer

    async def append(flag: str) -> LedgerLog:
        log = LedgerLog(kafka.bootstrap, topic, f"{topic}-id", wall_ms)
        await log.start()
        try:
            await log.append(lambda _: [opened(flag)])
        finally:
            await log.stop()
        return log

    log = asyncio.run(append("f1"))
    forged = chained(opened("f2"), 1, "f" * 64, wall_ms())
    with KafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        producer.send(topic, forged.to_bytes()).get(10)
    with pytest.raises(BrokenChainError, match="entry 1"):
        asyncio.run(append("f3"))
    assert log.book.seq == 1
    assert len(records(kafka.bootstrap, topic)) == 2
