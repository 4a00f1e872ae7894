"""A service with the process that runs it now and what became of those before."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from deploy.stack.process import Child, describe_exit, last_lines
from deploy.stack.restart import EX_CONFIG, RestartState
from deploy.stack.sentry import Sentry
from deploy.stack.services import Service
from deploy.stack.statefile import Exit, ProcessRecord
from deploy.stack.stop_request import StopRequest

_POLL = 0.05


@dataclass
class Slot:
    """One service of a running stack."""

    service: Service
    log: Path
    child: Child
    restarts: RestartState
    exits: list[int] = field(default_factory=list)
    sentry: Sentry | None = None

    @classmethod
    def start(cls, service: Service, log: Path) -> Slot:
        slot = cls(service, log, _spawn(service, log), RestartState(service.policy))
        if service.unwell is not None:
            slot.sentry = Sentry(service.unwell, service.sentry)
        return slot

    @property
    def name(self) -> str:
        return self.service.name

    def look(self, now: float) -> str | None:
        """Note an end, or restart when it is due; a line that says what happened, if anything."""
        if self.restarts.gave_up:
            return None
        if self.restarts.due is not None:
            return self._restart() if self.restarts.restart_due(now) else None
        code = self.child.exit_code()
        return self._unwell(now) if code is None else self._ended(code, now)

    def _unwell(self, now: float) -> str | None:
        """End a process that lives and stays unwell; that it ended is noted the next time."""
        reason = None if self.sentry is None else self.sentry.state.verdict(now)
        if reason is None:
            return None
        self.child.kill()
        return f"{self.name}: unwell for too long ({reason}); killed"

    def _ended(self, code: int, now: float) -> str:
        self.child.sweep()
        self.exits.append(code)
        self.restarts.ended(now, self.child.started, code)
        if self.restarts.gave_up:
            failures = self.restarts.failures
            after = "" if code == EX_CONFIG else f" after {failures} quick failures"
            return f"{self.name}: given up{after}, {self.why(code)}"
        wait = (self.restarts.due or now) - now
        return f"{self.name} ended by itself, {self.why(code)}; restart in {wait:.1f} s"

    def _restart(self) -> str:
        self.child = _spawn(self.service, self.log)
        self.restarts.restarted()
        if self.sentry is not None:
            self.sentry.restarted()
        return f"{self.name} restarted (pid {self.child.pid})"

    def why(self, code: int) -> str:
        """How it ended, with the last line that it wrote when it failed by itself."""
        last = " ".join(last_lines(self.log))[:300] if code > 0 else ""
        return f"{describe_exit(code)}: {last}" if last else describe_exit(code)

    def ask_to_stop(self) -> None:
        if self.sentry is not None:
            self.sentry.stop()
        self.child.signal(signal.SIGTERM)

    def stop(self, request: StopRequest) -> tuple[Exit, str]:
        """Wait for the end that was asked for, no longer than the grace; then kill."""
        began = time.monotonic()
        while (code := self.child.wait(_POLL)) is None:
            if request.hurry or time.monotonic() - began > self.service.grace:
                self.child.kill()
        self.child.sweep()
        took = time.monotonic() - began
        down_already = self.restarts.due is not None or self.restarts.gave_up
        clean = code in self.service.clean_exits and not down_already
        line = f"{self.name} stopped in {took:.1f} s ({describe_exit(code)})"
        return Exit(code=code, clean=clean), line if clean else f"{line}: not clean"

    def record(self) -> ProcessRecord:
        return ProcessRecord(
            pid=self.child.id.pid,
            start=self.child.id.start,
            since=self.child.since,
            ports=self.service.ports,
            restarts=self.restarts.restarts,
            exits=self.exits,
            gave_up=self.restarts.gave_up,
        )


def _spawn(service: Service, log: Path) -> Child:
    return Child(service.command(), service.env, log)
