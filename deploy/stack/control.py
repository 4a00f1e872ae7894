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
from deploy.stack.process import ProcessId, last_lines
from deploy.stack.statefile import Phase, State

# Longer than all graces of a stack together: after it something is wrong with the supervisor.
_STOP_TIMEOUT = 180.0


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
    log = Home(home).logs.parent / "run" / "supervisor.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    seen = 0
    while True:
        ended = process.poll() is not None
        seen = _echo(log, seen, say)
        if ended:
            raise StackError(" ".join(last_lines(log)).removeprefix("livewatch: ") or "up ended")
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


def _echo(log: Path, seen: int, say: Callable[[str], None]) -> int:
    """Say the whole lines that came since byte `seen`; the byte after the last of them."""
    with log.open("rb") as file:
        file.seek(seen)
        text = file.read()
    whole = text.rfind(b"\n") + 1
    for line in text[:whole].decode("utf-8", "replace").splitlines():
        say(line)
    return seen + whole
