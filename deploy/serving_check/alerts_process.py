"""`livewatch alerts` as a child that may be killed at any moment and started again."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.errors import StackError
from deploy.stack.process import Child, last_lines
from deploy.stack.settings import HOST


class AlertsProcess:
    """The process with an outbox in `directory`; `settings` are LIVEWATCH_ALERTS_... without
    the prefix."""

    def __init__(
        self, directory: Path, bootstrap: str, port: int, settings: Mapping[str, str]
    ) -> None:
        self.outbox = directory / "outbox"
        self.log = directory / "alerts.log"
        self.port = port
        self._env = {"LIVEWATCH_BOOTSTRAP": bootstrap, "LIVEWATCH_ALERTS_OUTBOX": str(self.outbox)}
        self._env |= {f"LIVEWATCH_ALERTS_{name}": value for name, value in settings.items()}
        self._argv = [sys.executable, "-m", "deploy.cli", "alerts", "--http-port", str(port)]
        self._child = self._start()

    def _start(self) -> Child:
        return Child(self._argv, self._env, self.log)

    def kill(self) -> None:
        """SIGKILL, as a crash does it."""
        self._child.kill()

    def restart(self) -> None:
        if self._child.exit_code() is None:
            self._child.kill()
        self._child = self._start()

    def exit_code(self) -> int | None:
        return self._child.exit_code()

    def terminate(self, number: int, timeout: float) -> int | None:
        """An orderly end; the exit code."""
        import signal

        self._child.signal(signal.Signals(number))
        return self._child.wait(timeout)

    def end(self) -> None:
        if self._child.exit_code() is None:
            self._child.kill()

    def get(self, path: str) -> tuple[int, str]:
        """(status, text) of a page; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=3) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait(self, what: str, done: Callable[[], bool], timeout: float) -> None:
        """Poll until `done`. Raises StackError with the process's last words."""
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() > deadline:
                raise StackError(f"never: {what}: " + " / ".join(last_lines(self.log, 5)))
            time.sleep(0.05)
