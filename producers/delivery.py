"""What every run of batches shares: ledger, sink, batchers, pace and an orderly end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from producers.batcher import Batcher, SealPolicy
from producers.clock import EventClock
from producers.errors import TransportError, UsageError
from producers.ledger import Ledger
from producers.pacing import Pacer, wall_ms
from producers.progress import Progress
from producers.pump import Pump
from producers.transport import Sink
from schemas.telemetry import SampleType

FLUSH_PATIENCE_S = 30.0


@dataclass(frozen=True)
class RunOptions:
    """Where a run writes, and how it ends.

    `goodbye`: a finished run says that nothing more will come, so that everything downstream
    closes at once. A run that is stopped by hand does not, since its platform may come back.
    """

    out: Path
    seal: SealPolicy
    goodbye: bool = True
    overwrite: bool = False

    def check(self) -> None:
        """Raises UsageError when an earlier run would be lost; better now than after a build."""
        if self.ledger.exists() and not self.overwrite:
            raise UsageError(
                f"{self.ledger} already holds a run: choose another --out, or --overwrite"
            )

    @property
    def ledger(self) -> Path:
        return self.out / "ledger.jsonl"

    @property
    def truth(self) -> Path:
        return self.out / "truth.jsonl"


class Delivery:
    """Rows in; batches written down and sent, on schedule. One thread."""

    def __init__(
        self,
        sources: Sequence[tuple[str, str]],
        partitions: int,
        clock: EventClock,
        options: RunOptions,
        sink: Sink,
        stop: threading.Event,
    ) -> None:
        """`sources` are (platform id, source id), each with an epoch of its own: this start."""
        self._options, self._sink, self._stop = options, sink, stop
        self._started = time.monotonic()
        epoch = wall_ms()
        self.batchers = [
            Batcher(p, s, epoch, partitions, options.seal, watermark_ms=clock.start_event_ms)
            for p, s in sources
        ]
        ledger = Ledger(options.ledger, clock, overwrite=options.overwrite)
        self.pump = Pump(ledger, sink)
        self.pacer = Pacer(clock, self.batchers, self.pump, stop)

    def emit(self, source: int, sample: SampleType, partition: int, rows: pa.RecordBatch) -> None:
        """Rows of the source with this number."""
        self.pump.push(self.batchers[source].add(sample, partition, rows, wall_ms()))

    def silence(self, source: int, silent: bool) -> None:
        """A gap: the source says nothing at all, not even that it is alive."""
        if self.batchers[source].silent != silent:
            self.pump.push(self.batchers[source].silence(silent, wall_ms()))

    def advance(self, event_ms: int) -> None:
        """Every row before this event time was emitted."""
        for batcher in self.batchers:
            batcher.advance(event_ms)
        self.pacer.poll()

    def finish(self, event_ms: int, complete: bool, on_wait: Callable[[], None]) -> None:
        """Seal and send the rest and wait for every acknowledgement.

        For ever, or for half a minute once a stop was asked for: then TransportError.
        """
        final = complete and self._options.goodbye
        for batcher in self.batchers:
            self.pump.push(batcher.close(wall_ms(), event_ms, final=final))
        sent = False
        while not sent and not self._stop.is_set():
            sent = self._sink.flush(1.0)
            on_wait()
        sent = sent or self._sink.flush(FLUSH_PATIENCE_S)
        self.pump.ledger.close()
        if not sent:
            left = self._sink.in_flight
            raise TransportError(f"stopped with {left} batches that Kafka has not acknowledged")

    def progress(self, event_ms: int, live: int) -> Progress:
        rows = self.pump.rows.total()
        return Progress(event_ms, rows, live, self.pacer.behind_s, self._sink.in_flight)

    def summary(self) -> dict[str, Any]:
        """Figures of the run so far, for the last line on stdout."""
        return {
            "rows": dict(self.pump.rows),
            "batches": self.pump.batches,
            "heartbeats": self.pump.heartbeats,
            "sources": [f"{b.platform_id}/{b.source}/{b.epoch}" for b in self.batchers],
            "behind_max_s": round(self.pacer.worst_s, 3),
            "resent_batches": self._sink.resent,
            "wall_s": round(time.monotonic() - self._started, 3),
            "ledger": str(self._options.ledger),
        }
