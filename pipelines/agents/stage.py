"""What the checkpoint protocol asks of a stage: pure steps on the state of one partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pipelines.core.columns import TableColumns
from pipelines.core.erasure import Erasures
from pipelines.core.flags import FlagEvent
from pipelines.core.fold.clock import TopicClock

Entries = dict[str, bytes]
# A version is (epoch, generation, closed bit, tick): who wrote, then when. The highest is read.
CLOSED_BIT = 1 << 20
EPOCH_SHIFT = 40
GENERATIONS = 1 << 19


def version_of(epoch: int, generation: int) -> int:
    """Version that everything written by one owner of a partition starts from."""
    return (epoch << EPOCH_SHIFT) | (generation % GENERATIONS << 21)


def epoch_after(head: Mapping[str, Any] | None, generation: int) -> int:
    """Epoch of an owner in `generation` that loaded `head`.

    Generations alone tell who came later, since the group's coordinator counts them. An epoch
    begins only where they do not rise: the group was made anew, the count began again, or a
    partition is loaded twice in one generation. Counted at each load it would put an owner that
    found more (a checkpoint that only its disk had) above the one that came after it.
    """
    if head is None:
        return 1
    rises = "generation" in head and head["generation"] % GENERATIONS < generation % GENERATIONS
    return int(head["epoch"]) + (not rises)


def epoch_of(version: int) -> int:
    """The epoch that a version was made from."""
    return version >> 40


class Record(NamedTuple):
    """A Kafka record, as the stages see it."""

    topic: str
    partition: int
    offset: int
    broker_ms: int
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(slots=True)
class Work:
    """What folding a record left to do.

    `minute` is the last open minute that the record touches (below every open one when it
    touches none); `after` is handed back when the record is acknowledged. Before that the `raw`
    rows and those that go `also` to another table must be stored, and `dead` must be in the
    dead-letter topic.
    """

    minute: int
    after: Any = None
    raw: tuple[str, TableColumns] | None = None
    also: tuple[str, TableColumns] | None = None
    dead: tuple[str, list[str]] | None = None


@dataclass(slots=True)
class Output:
    """What a stage emits: rows to tables, messages to the next stage, entries to keep, flags."""

    tables: list[tuple[str, TableColumns]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    entries: Entries = field(default_factory=dict)
    flags: list[FlagEvent] = field(default_factory=list)


class Stage(Protocol):
    """State of one partition. Nothing here waits, reads a clock or touches the network."""

    name: str
    topics: tuple[str, ...]
    #: Topic of the messages; none for the last stage.
    emits_to: str | None
    #: What must not come back; set before `load`.
    erased: Erasures

    def load(self, head: Mapping[str, Any] | None, entries: Entries, version: int) -> Output:
        """Restore from a checkpoint (None: begin afresh); flags not known to be emitted."""
        ...

    def made_anew(self, topic: str) -> None:
        """After `load`: the topic is another one of the same name, its offsets begin again."""
        ...

    def fold(self, record: Record) -> Work:
        """Fold the next record."""
        ...

    def acknowledge(self, after: Any) -> None:
        """A record's `after`, now that nothing before it has to come again."""
        ...

    def ready(self, clocks: Mapping[str, TopicClock]) -> list[int]:
        """Minutes that may close."""
        ...

    def waiting(self, clocks: Mapping[str, TopicClock]) -> set[str]:
        """Topics that should not be read on for now: too far ahead of another."""
        ...

    def close(self, minute: int, now_ms: int, folded: Mapping[str, int]) -> Output:
        """Close a minute. `folded` is the next offset to fold of each topic."""
        ...

    def detector(self) -> Entries:
        """The detector, where a bin was closed since the last call."""
        ...

    def tick(self, now_ms: int) -> Output:
        """Look at what is open: spikes, and figures that do not wait for a close."""
        ...

    def book(self, outbox: list[FlagEvent]) -> Entries:
        """What makes an onset final before it is emitted: the episodes, and whose slots are."""
        ...

    def head(self) -> dict[str, Any]:
        """The stage's part of the head."""
        ...

    @property
    def open_minutes(self) -> int:
        """How many minutes are open: what memory grows with."""
        ...

    @property
    def closed_through(self) -> int | None:
        """The last closed minute."""
        ...
