"""What one command does to the supervisor of another: detach it, stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.errors import StackError
from deploy.stack import statefile
from deploy.stack.home import Home
from deploy.stack.process import ProcessId
from deploy.stack.statefile import Phase, State

# Longer than all graces of a stack together: after it something is wrong with the supervisor.
_STOP_TIMEOUT = 180.0


class Echo:
    """Passes on the whole lines of a growing file; `last` is the last one."""

    def __init__(self, log: Path, say: Callable[[str], None]) -> None:
        self._log = log
        self._say = say
        self._seen = 0
        self.last = ""

    def pump(self) -> None:
        """Say the lines that came since the last call; a refusal is its caller's to say."""
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._seen)
            text = file.read()
        whole = text.rfind(b"\n") + 1
        self._seen += whole
        for line in text[:whole].decode("utf-8", "replace").splitlines():
            self.last = line
            if not line.startswith("livewatch: "):
                self._say(line)


def refuse_if_running(home: Path) -> None:
    """Raise StackError when a supervisor already holds this home."""
    state = statefile.read(Home(home).state_file)
    if state and state.running():
        pid = state.supervisor.pid if state.supervisor else 0
        raise StackError(
            f"a stack is already running in {home} (pid {pid}): "
            "see `livewatch status`, or stop it with `livewatch down`"
        )


def detach(home: Path, arguments: list[str], say: Callable[[str], None]) -> None:
    """Start `livewatch up ARGUMENTS` in a session of its own and wait until it is ready.

    Raises StackError with what it last said when it ends before.
    """
    Home(home).prepare()
    log = Home(home).run / "supervisor.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    echo = Echo(log, say)
    while True:
        ended = process.poll() is not None
        echo.pump()
        if ended:
            raise StackError(echo.last.removeprefix("livewatch: ") or "the stack ended")
        if _is_ready(home, process.pid):
            return
        time.sleep(0.1)


def stop(home: Path, say: Callable[[str], None]) -> bool:
    """Ask the supervisor to stop and wait; False when a process did not end cleanly.

    Raises StackError when nothing runs.
    """
    state = statefile.read(Home(home).state_file)
    if state is None or not state.running() or state.supervisor is None:
        swept = _sweep(state) if state else 0
        if swept:
            say(f"the supervisor was gone; killed {swept} processes that it left")
            return False
        raise StackError(f"nothing runs in {home}")
    os.kill(state.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while state.supervisor.alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    if state.supervisor.alive():
        say(f"the supervisor (pid {state.supervisor.pid}) did not stop: killed")
        state.supervisor.kill_group(signal.SIGKILL)
    return _report_exits(home, say)


def _report_exits(home: Path, say: Callable[[str], None]) -> bool:
    after = statefile.read(Home(home).state_file)
    if after is None or after.phase != Phase.STOPPED:
        return False
    for name, end in after.exits.items():
        say(f"{name} stopped (exit code {end.code}){'' if end.clean else ': not clean'}")
    return all(end.clean for end in after.exits.values())


def _sweep(state: State) -> int:
    alive = [record.id for record in state.processes.values() if record.id.alive()]
    for process in alive:
        process.kill_group(signal.SIGKILL)
    return len(alive)


def _is_ready(home: Path, pid: int) -> bool:
    state = statefile.read(Home(home).state_file)
    return bool(state and state.phase == Phase.READY and state.supervisor == ProcessId.of(pid))
