"""From sealed batches to the ledger and then to the sink, in that order, with the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from producers import metrics
from producers.batcher import SealedBatch
from producers.ledger import Ledger
from producers.transport import Sink


@dataclass
class Pump:
    """What is sealed is first written down, then sent."""

    ledger: Ledger
    sink: Sink
    rows: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    heartbeats: int = 0

    def push(self, sealed: Iterable[SealedBatch]) -> None:
        """Write down and send; blocks while the sink is full."""
        for batch in sealed:
            sample = batch.header.identity.sample.value
            self.ledger.append(batch)
            metrics.SEALED.labels(sample).inc()
            if batch.rows is None:
                self.heartbeats += 1
            else:
                self.batches += 1
                self.rows[sample] += batch.header.rows
                metrics.ROWS.labels(sample).inc(batch.header.rows)
            self.sink.send(batch)
