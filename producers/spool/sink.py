"""A sink that keeps sealed batches on disk until Kafka has them: for `simulate --spool`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from producers.batcher import SealedBatch
from producers.pacing import wall_ms
from producers.sender import Sender, SenderPolicy
from producers.spool.errors import SpoolFull
from producers.spool.store import Spool, SpoolLimits
from producers.transport import TransportPolicy
from schemas.signing import Signer

_SLICE_S = 0.5


class SpoolSink:
    """Sealed batches go into the spool first, under the identity that they have."""

    def __init__(
        self,
        directory: Path,
        bootstrap: str,
        policy: TransportPolicy,
        stopping: Callable[[], bool],
        signer: Signer | None,
    ) -> None:
        """Raises SpoolError."""
        self._stopping = stopping
        self._spool = Spool.open(directory, SpoolLimits(), wall_ms())
        sending = SenderPolicy(transport=policy)
        self._sender = Sender(self._spool, bootstrap, sending, signer, live=False).start()

    @property
    def in_flight(self) -> int:
        """Batches not yet acknowledged."""
        return self._spool.unacknowledged()

    @property
    def resent(self) -> int:
        """Unknown here: who looks at identities sees repeats."""
        return 0

    def send(self, batch: SealedBatch) -> None:
        """On return the batch is on disk; waits while the spool is full.

        Raises SpoolFull once a stop is asked for.
        """
        ident = batch.header.identity
        self._spool.register(ident.platform_id, ident.source, ident.partition + 1)
        while True:
            try:
                return self._spool.put(batch, _SLICE_S)
            except SpoolFull:
                if self._stopping():
                    raise

    def flush(self, timeout_s: float) -> bool:
        """Whether Kafka had everything before the time was over."""
        return self._sender.drained(timeout_s)

    def close(self) -> None:
        """What is not acknowledged stays in the spool."""
        self._sender.close()
        self._spool.close()
