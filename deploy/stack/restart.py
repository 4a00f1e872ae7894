"""When a process that ended by itself is started again: a policy and a state machine.

Time is passed in, so a test is a table.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# sysexits.h: "try again". A worker ends with it when a hole in its log stayed open, which a new
# process heals at once; it is no sign of sickness and waits for nothing.
EX_TEMPFAIL = 75
# sysexits.h: "configuration error". A worker ends with it when the kept state was written by
# another version: it would only end again.
EX_CONFIG = 78


@dataclass(frozen=True)
class RestartPolicy:
    """Exponential backoff; `give_up` quick failures in a row are the end. Seconds throughout."""

    first_delay: float = 0.2
    factor: float = 2.0
    max_delay: float = 10.0
    quick: float = 15.0
    give_up: int = 8

    def delay(self, failures: int) -> float:
        """Wait before the restart that follows the n-th quick failure in a row (from 1)."""
        return float(min(self.max_delay, self.first_delay * self.factor ** (failures - 1)))


@dataclass
class RestartState:
    """What happened to one process so far."""

    policy: RestartPolicy = field(default_factory=RestartPolicy)
    restarts: int = 0
    failures: int = 0
    gave_up: bool = False
    due: float | None = None

    def ended(self, now: float, started: float, code: int) -> None:
        """The process ended with `code` (negative: by that signal) at `now`."""
        if now - started >= self.policy.quick:
            self.failures = 0
        self.failures += 1
        if self.failures >= self.policy.give_up or code == EX_CONFIG:
            self.gave_up = True
            self.due = None
            return
        # A tight loop of "try again" ends as well: it counts as a failure, it only does not wait.
        self.due = now if code == EX_TEMPFAIL else now + self.policy.delay(self.failures)

    def restart_due(self, now: float) -> bool:
        return self.due is not None and now >= self.due

    def restarted(self) -> None:
        self.due = None
        self.restarts += 1
