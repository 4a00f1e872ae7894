"""The bound on what is accepted and not acknowledged."""

from __future__ import annotations

import threading
import time

from producers.spool.errors import SpoolFull


class Room:
    """Bytes in use of at most `max_bytes`; who finds none waits."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._changed = threading.Condition()
        self.used = 0

    def reserve(self, cost: int, timeout_s: float) -> None:
        """Take `cost` bytes, waiting so long at most. Raises SpoolFull."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self.used + cost > self._max:
                left = deadline - time.monotonic()
                if left <= 0 or cost > self._max:
                    raise SpoolFull(
                        f"the spool is full ({self.used:,} of {self._max:,} bytes): "
                        "Kafka is away or slower than the samples"
                    )
                self._changed.wait(left)
            self.used += cost

    def release(self, cost: int) -> None:
        """Give bytes back; below zero: they are in use, whether there is room or not."""
        with self._changed:
            self.used -= cost
            self._changed.notify_all()
