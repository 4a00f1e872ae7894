"""A stack as seen by a program that needs one: started as a child, watched, stopped."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

from deploy.errors import StackError
from deploy.stack import statefile
from deploy.stack.cli import arguments_of
from deploy.stack.control import Echo
from deploy.stack.home import Home
from deploy.stack.process import Child, ProcessId
from deploy.stack.settings import StackSettings
from deploy.stack.statefile import Phase, State

_STOP_TIMEOUT = 180.0


class RunningStack:
    """`livewatch up` as a child that dies with us; its lines go to `say`."""

    def __init__(
        self,
        settings: StackSettings,
        say: Callable[[str], None],
        *,
        fresh: bool = True,
        env: dict[str, str] | None = None,
    ) -> None:
        home = Home(settings.home)
        home.prepare()
        self.settings = settings
        log = home.run / "supervisor.log"
        log.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "deploy.cli", "up", *arguments_of(settings, fresh=fresh)]
        self._child = Child(argv, env or {}, log)
        self._echo = Echo(log, say)

    @property
    def process(self) -> ProcessId:
        return self._child.id

    def state(self) -> State | None:
        """What the supervisor says; None before it has said anything."""
        state = statefile.read(Home(self.settings.home).state_file)
        return state if state and state.supervisor == self._child.id else None

    def poll(self) -> None:
        """Pass on what was said. Raises StackError when the stack has ended."""
        ended = self._child.exit_code() is not None
        self._echo.pump()
        if ended:
            raise StackError(self._echo.last.removeprefix("livewatch: ") or "the stack ended")

    def await_ready(self, wait: Callable[[float], bool]) -> bool:
        """False when `wait` asked to stop before. Raises StackError when it does not start."""
        while not wait(0.1):
            self.poll()
            state = self.state()
            if state and state.phase == Phase.READY:
                return True
        return False

    def kill_process(self, name: str) -> None:
        """SIGKILL one process of the stack; the supervisor starts it again."""
        state = self.state()
        if state is None or name not in state.processes:
            raise StackError(f"there is no process {name} to kill")
        state.processes[name].id.kill_group(signal.SIGKILL)

    def stop(self) -> int:
        """Orderly; the supervisor's exit code, 0 when every process ended cleanly."""
        self._child.signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while (code := self._child.wait(0.1)) is None and time.monotonic() < deadline:
            self._echo.pump()
        if code is None:
            self._child.kill()
            code = -signal.SIGKILL
        self._echo.pump()
        return code
