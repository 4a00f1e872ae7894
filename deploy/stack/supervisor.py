"""Start the steps in order, keep the services running, stop them in reverse order.

One thread, one loop: what ended is restarted as its policy says, and a stop request is
looked for between any two things that take time.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from deploy.errors import StackError, UserError
from deploy.stack import ports, statefile
from deploy.stack.home import Home
from deploy.stack.process import Child, ProcessId, describe_exit, last_lines
from deploy.stack.services import Step, Task
from deploy.stack.settings import StackSettings
from deploy.stack.slot import Slot
from deploy.stack.statefile import Exit, Phase, State
from deploy.stack.stop_request import StopRequest

_TICK = 0.1


class Stopped(Exception):  # noqa: N818 - it is no error
    """The user asked to stop."""


class Supervisor:
    """Runs one stack. `say` gets one line for each thing that happens."""

    def __init__(
        self, settings: StackSettings, steps: list[Step], say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._home = Home(settings.home)
        self._steps = steps
        self._say = say
        self._slots: dict[str, Slot] = {}
        self._exits: dict[str, Exit] = {}
        self._request = StopRequest()
        self._phase = Phase.STARTING

    def run(self, *, fresh: bool = False) -> bool:
        """Until a stop is asked for. True when every process then ended cleanly.

        Raises UserError when the stack does not start; nothing is left running then.
        """
        self._home.prepare()
        with self._request.listening(), self._home.locked():
            self._clear(fresh)
            try:
                self._start_all()
                self._enter(Phase.READY)
                self._say("ready; Ctrl-C stops everything in order")
                while True:
                    self._tick()
            except Stopped:
                clean = self._stop_all()
                self._enter(Phase.STOPPED)
                return clean
            except BaseException as error:
                self._stop_all()
                self._enter(Phase.FAILED, str(error) if isinstance(error, UserError) else "")
                raise

    # --- start -------------------------------------------------------------------------------

    def _clear(self, fresh: bool) -> None:
        """Nothing of an earlier run is alive, every port is free, and the state is as asked for."""
        old = statefile.read(self._home.state_file)
        for name, record in (old.processes if old else {}).items():
            if record.id.alive():  # only where the guard has no effect
                self._say(f"{name}: left over from an earlier run (pid {record.pid}); killed")
                record.id.kill_group(signal.SIGKILL)
                _await_gone(record.id)
        ports.check(self._settings.ports.named(self._settings.workers, self._settings.brokers))
        if fresh:
            self._home.wipe()
            self._home.prepare()
        self._enter(Phase.STARTING)

    def _start_all(self) -> None:
        for step in self._steps:
            if isinstance(step, Task):
                self._run_task(step)
                continue
            for service in step:
                self._slots[service.name] = Slot.start(service, self._log(service.name))
            for service in step:
                self._await_ready(self._slots[service.name])

    def _await_ready(self, slot: Slot) -> None:
        began, service = time.monotonic(), slot.service
        while (reason := service.not_ready()) is not None:
            self._tick()
            if slot.exits and (service.must_start or slot.restarts.gave_up):
                raise StackError(f"{slot.name} did not start, {slot.why(slot.exits[-1])}")
            if time.monotonic() - began > service.start_timeout:
                raise StackError(f"{slot.name} is not ready: {reason}; see {slot.log}")
        where = ", ".join(f"{k} {v}" for k, v in service.ports.items())
        where = f" ({where})" if where else ""
        self._say(f"{slot.name} ready in {time.monotonic() - began:.1f} s{where}")
        self._write_state()

    def _run_task(self, task: Task) -> None:
        began, log = time.monotonic(), self._log(task.name)
        child = Child(task.argv, task.env, log)
        try:
            while (code := child.exit_code()) is None:
                self._tick()
                if time.monotonic() - began > task.timeout:
                    raise StackError(f"{task.name} took over {task.timeout:.0f} s; see {log}")
        finally:
            child.kill()
        if code != 0:
            said = " ".join(last_lines(log))[:300]
            raise StackError(f"{task.name} failed, {describe_exit(code)}: {said}")
        self._say(f"{task.name} done in {time.monotonic() - began:.1f} s")

    # --- run ---------------------------------------------------------------------------------

    def _tick(self) -> None:
        """One look at every process; raises Stopped when a stop was asked for."""
        if self._request.wait(_TICK):
            raise Stopped
        now = time.monotonic()
        for slot in self._slots.values():
            if line := slot.look(now):
                self._say(line)
                self._write_state()

    # --- stop --------------------------------------------------------------------------------

    def _stop_all(self) -> bool:
        """Reverse order of the start; True when each process ended as it should."""
        self._enter(Phase.STOPPING)
        for step in reversed(self._steps):
            if not isinstance(step, Task):
                self._stop_step([self._slots[s.name] for s in step if s.name in self._slots])
        return all(end.clean for end in self._exits.values())

    def _stop_step(self, slots: list[Slot]) -> None:
        for slot in slots:
            slot.ask_to_stop()
        for slot in slots:
            self._exits[slot.name], line = slot.stop(self._request)
            self._say(line)

    # --- state -------------------------------------------------------------------------------

    def _enter(self, phase: Phase, message: str = "") -> None:
        self._phase = phase
        self._write_state(message)

    def _write_state(self, message: str = "") -> None:
        settings = self._settings
        state = State(
            phase=self._phase,
            supervisor=ProcessId.of(os.getpid()),
            workers=settings.workers,
            partitions=settings.partitions,
            screen=settings.screen,
            api=settings.api,
            database=settings.database,
            unsigned=settings.unsigned,
            ports=asdict(settings.ports),
            brokers=settings.brokers,
            detours=asdict(settings.detours),
            alerts=settings.alerts,
            alertmanager=settings.alertmanager,
            message=message,
            processes={name: slot.record() for name, slot in self._slots.items()},
            exits=self._exits,
        )
        with suppress(FileNotFoundError):  # the home was removed under us: still stop in order
            statefile.write(self._home.state_file, state)

    def _log(self, name: str) -> Path:
        return self._home.logs / f"{name}.log"


def _await_gone(process: ProcessId, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while process.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
