"""`livewatch screen` as a process of its own."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.errors import StackError
from deploy.stack.process import Child, last_lines

_START_S, _STOP_S = 60.0, 15.0
_SAYS = "screen: "


class ScreenProcess:
    """On a free port, with `environment` beside ours. Raises StackError when it does not start."""

    def __init__(self, log: Path, environment: Mapping[str, str], *arguments: str) -> None:
        argv = [sys.executable, "-m", "grafana.screen.cli", "--port", "0", *arguments]
        log.unlink(missing_ok=True)
        self._child = Child(argv, dict(environment), log)
        self.url = self._address(log)

    def _address(self, log: Path) -> str:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            for line in last_lines(log, 5):
                if line.startswith(_SAYS):
                    return line.removeprefix(_SAYS).strip().rstrip("/")
            if self._child.exit_code() is not None:
                break
            time.sleep(0.05)
        self._child.kill()
        raise StackError("the screen did not start: " + " / ".join(last_lines(log, 3)))

    def stop(self) -> int | None:
        """SIGTERM; its exit code, None when it had to be killed."""
        self._child.signal(signal.SIGTERM)
        code = self._child.wait(_STOP_S)
        if code is None:
            self._child.kill()
        return code
