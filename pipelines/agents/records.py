"""Records on their way through a partition: as read, as pending, as acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.agents.stage import Record
from pipelines.agents.store import Event
from pipelines.core.positions import Position


@dataclass(slots=True)
class Pending:
    """A folded record that is not acknowledged yet.

    `waiting`: how many of its effects (rows, a dead letter) are not kept anywhere yet.
    """

    offset: int
    broker_ms: int
    minute: int
    after: Any
    event: Event
    waiting: int = 0

    @property
    def stored(self) -> bool:
        return self.waiting == 0

    def kept(self) -> None:
        """One of its effects is kept."""
        self.waiting -= 1


@dataclass(slots=True)
class TopicState:
    """One topic of the partition. `acknowledged` is the checkpoint's position: where to resume."""

    position: Position[Event]
    acknowledged: int
    end_at_load: int
    pending: deque[Pending] = field(default_factory=deque)
    broker_ms: int = 0
    acknowledged_broker_ms: int = 0


def record_of(event: Event) -> Record:
    """A Faust event as a plain record."""
    message = event.message
    headers = message.headers or ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    value = message.value
    return Record(
        message.topic,
        message.partition,
        message.offset,
        round((message.timestamp or 0.0) * 1000),
        value if value is None or isinstance(value, bytes) else bytes(value),
        tuple((str(k), v) for k, v in pairs),
    )
