"""The workers' checkpoints as they lie in Kafka, read and written without a worker.

Writing makes a new owner: everything goes out under an epoch above all that were ever claimed,
so that it wins over what lies there, and over whoever wakes up late (docs/adr/0003, fencing).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer, TopicPartition

from deploy.errors import StackError
from deploy.operations.target import Target, consumer
from pipelines.agents.stage import epoch_of, version_of
from pipelines.agents.store import IncompleteCopyError, Key, StateStore
from pipelines.core.partials import CELLS_TOPIC
from pipelines.topics import FOLD_STATE, ROLLUP_STATE, changelog
from schemas.telemetry import TOPICS

HEAD = "head"
_PATIENCE_S = 30.0
_LARGEST = 2_000_000  # as the workers' own producer
#: Topics whose positions a stage's checkpoint holds.
INPUTS = {"fold": tuple(TOPICS), "rollup": (CELLS_TOPIC,)}
_TABLES = {"fold": FOLD_STATE, "rollup": ROLLUP_STATE}


@dataclass(frozen=True, slots=True)
class Lane:
    """One partition of a stage."""

    stage: str
    partition: int

    def topic(self, group: str) -> str:
        return changelog(group, _TABLES[self.stage])

    def __str__(self) -> str:
        return f"{self.stage}-{self.partition}"


def lanes(partitions: int) -> list[Lane]:
    """All of them, the first stage's first: a backup reads them in this order."""
    return [*(Lane("fold", n) for n in range(partitions)), Lane("rollup", 0)]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One partition's checkpoint: who wrote it, its head, and the entries that the head names."""

    epoch: int
    head: dict[str, Any]
    entries: dict[str, bytes]

    @property
    def positions(self) -> dict[str, int]:
        """Next offset to read of each topic."""
        return {topic: int(at[0]) for topic, at in self.head.get("positions", {}).items()}

    def for_new_topics(self, topics: Iterable[str]) -> Checkpoint:
        """The same, without what speaks of offsets in topics that were made anew since."""
        gone = set(topics)
        head = dict(self.head)
        head["positions"] = {t: p for t, p in head.get("positions", {}).items() if t not in gone}
        if "folded_at_close" in head:
            head["folded_at_close"] = [
                [minute, {t: at for t, at in folded.items() if t not in gone}]
                for minute, folded in head["folded_at_close"]
            ]
        return Checkpoint(self.epoch, head, self.entries)


class Raw:
    """The newest value of each key of a changelog partition; remembers what was changed."""

    def __init__(self, values: Mapping[bytes, bytes] | None = None) -> None:
        self.values = dict(values or {})
        self.changes: list[tuple[bytes, bytes | None]] = []

    def keys_here(self) -> list[bytes]:
        return list(self.values)

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.values[key] = value
        self.changes.append((key, value))

    def __delitem__(self, key: bytes) -> None:
        del self.values[key]
        self.changes.append((key, None))

    def take_sent(self) -> list[Any]:
        return []

    def epoch(self) -> int:
        """The highest epoch that anything was written under; 0 for none."""
        found = StateStore(self).checkpoint()
        kept = 0 if found is None else int(found[0]["epoch"])
        keys = (key for raw in self.values if (key := Key.decode(raw)) is not None)
        return max([kept, *(epoch_of(key.fence) for key in keys)])

    def holding(self, words: Iterable[str]) -> list[str]:
        """Keys whose value holds one of the words."""
        wanted = [w.encode() for w in words]
        hit = (k for k, v in self.values.items() if any(w in v for w in wanted))
        return sorted(k.decode() for k in hit)


def checkpoint_of(raw: Raw) -> Checkpoint | None:
    """None where no checkpoint was ever made. Raises IncompleteCopyError: an entry is not whole."""
    store = StateStore(raw)
    found = store.checkpoint()
    if found is None:
        return None
    head, entries = found
    newest = store.newest_head()
    for name in set(head["names"]) - set(entries):
        # An entry that is gone altogether was outdated.
        if newest is not None and store.partly(name, newest[0]):
            raise IncompleteCopyError(name)
    return Checkpoint(raw.epoch(), head, entries)


def read(at: Target, lane: Lane, deadline_s: float = _PATIENCE_S) -> tuple[Raw, Checkpoint | None]:
    """The partition's checkpoint as of now.

    A worker may be in the middle of one; then reading goes on until its pieces are all there.
    Raises StackError when that takes longer than `deadline_s`.
    """
    raw, topic = Raw(), TopicPartition(lane.topic(at.group), lane.partition)
    with consumer(at) as client:
        client.assign([topic])
        client.seek_to_beginning(topic)
        deadline = time.monotonic() + deadline_s
        while True:
            _read_to_end(client, topic, raw, deadline)
            try:
                return raw, checkpoint_of(raw)
            except IncompleteCopyError as error:
                if time.monotonic() > deadline:
                    raise StackError(f"the checkpoint of {lane} lacks {error}") from None


def _read_to_end(client: Any, topic: TopicPartition, raw: Raw, deadline: float) -> None:
    end = client.end_offsets([topic])[topic]
    while client.position(topic) < end:
        if time.monotonic() > deadline:
            raise StackError(f"{topic.topic} cannot be read to its end")
        for records in client.poll(timeout_ms=500).values():
            for record in records:
                if record.value is None:
                    raw.values.pop(record.key, None)
                else:
                    raw.values[record.key] = bytes(record.value)


def write(at: Target, lane: Lane, raw: Raw, checkpoint: Checkpoint, epoch: int) -> None:
    """Put the checkpoint over `raw`, what lies there now, under `epoch`.

    The entries first, and the head that speaks of them once Kafka has them all. Raises
    kafka.errors.KafkaError.
    """
    store = StateStore(raw)
    fence = version_of(epoch, 0)
    names = sorted(checkpoint.entries)
    head = checkpoint.head | {"names": names, "epoch": epoch, "generation": 0}
    for name, value in checkpoint.entries.items():
        store.write(name, fence, value)
    _send(at, lane, raw)
    store.write(HEAD, fence, json.dumps(head).encode())
    _send(at, lane, raw)
    store.guard()
    store.remove_others(fence)
    _send(at, lane, raw)


def clear(at: Target, lane: Lane, raw: Raw) -> None:
    """Remove all that lies in the partition: a worker then begins afresh."""
    for key in list(raw.values):
        del raw[key]
    _send(at, lane, raw)


def _send(at: Target, lane: Lane, raw: Raw) -> None:
    """What was changed since the last call; returns when Kafka has all of it."""
    changes, raw.changes = raw.changes, []
    topic = lane.topic(at.group)
    producer = KafkaProducer(
        bootstrap_servers=at.bootstrap.split(","), acks="all", max_request_size=_LARGEST
    )
    try:
        sent = [
            producer.send(topic, value=value, key=key, partition=lane.partition)
            for key, value in changes
        ]
        for one in sent:
            one.get(60)
    finally:
        producer.close(timeout=10)
