"""A process that lives and does nothing: asked for its health, and ended when it stays unwell.

The asking is done in a thread, since whoever hangs does not answer. Who decides is a state
machine with time passed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Probe = Callable[[], str | None]


@dataclass(frozen=True)
class SentryPolicy:
    """Seconds. Patience is longer than a pause of the machine or of the process takes."""

    every: float = 10.0
    first: float = 90.0
    """A process that has just started need not answer yet."""
    patience: float = 60.0


@dataclass
class SentryState:
    """What one process answered so far."""

    policy: SentryPolicy
    started: float
    unwell_since: float | None = None
    reason: str = ""

    def answered(self, reason: str | None, now: float) -> None:
        """An answer: None is well."""
        if reason is None:
            self.unwell_since = None
        elif self.unwell_since is None:
            self.unwell_since = now
        self.reason = reason or ""

    def verdict(self, now: float) -> str | None:
        """Why the process should be ended, or None."""
        since = self.unwell_since
        if since is None or now - self.started < self.policy.first:
            return None
        return self.reason if now - since >= self.policy.patience else None


class Sentry:
    """Asks until it is stopped."""

    def __init__(self, probe: Probe, policy: SentryPolicy) -> None:
        self.state = SentryState(policy, time.monotonic())
        self._probe = probe
        self._stop = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="sentry").start()

    def _run(self) -> None:
        while not self._stop.wait(self.state.policy.every):
            state = self.state
            state.answered(self._probe(), time.monotonic())

    def restarted(self) -> None:
        """Another process stands in the place of the one that was asked."""
        self.state = SentryState(self.state.policy, time.monotonic())

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
