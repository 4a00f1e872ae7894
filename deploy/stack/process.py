"""One child process: started under the guard, told apart from a later one with the same pid."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

GUARD = Path(__file__).with_name("guard.py")
_LOG_LIMIT = 32 * 2**20
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class ProcessId:
    """A pid with its start time, so that a stale pid is never mistaken for another process."""

    pid: int
    start: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """None when there is no such process, or it is a zombie."""
        start = _start_of(pid)
        return None if start is None else cls(pid, start)

    def alive(self) -> bool:
        return _start_of(self.pid) == self.start

    def kill_group(self, number: signal.Signals) -> None:
        """Signal the process and its group, if it is still this one."""
        if self.alive():
            signal_group(self.pid, number)


def _start_of(pid: int) -> str | None:
    """Clock ticks from boot to start: unlike a time of day it does not move with the clock."""
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    try:
        process = psutil.Process(pid)
        dead = process.status() == psutil.STATUS_ZOMBIE
        return None if dead else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a process group that we made; a group that is gone is no error."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:  # pragma: no cover - a group of zombies on macOS
        pass


class Child:
    """A process of our own, in a session of its own: a Ctrl-C at the terminal reaches only us."""

    def __init__(self, argv: list[str], env: dict[str, str], log: Path) -> None:
        """Start it. Call from the main thread: the guard's request is tied to the thread."""
        rotate(log)
        self.started = time.monotonic()
        self.since = time.time()
        guard = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), "--"]
        with log.open("ab", buffering=0) as out:
            self._popen = subprocess.Popen(
                [*guard, *argv],
                env=os.environ | env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.id = ProcessId.of(self.pid) or ProcessId(self.pid, "gone")

    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._popen.poll()

    def signal(self, number: signal.Signals) -> None:
        if self.exit_code() is None:
            self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the whole group and reap."""
        signal_group(self.pid, signal.SIGKILL)
        self._popen.wait()

    def wait(self, timeout: float) -> int | None:
        """Exit code, or None when `timeout` seconds passed."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def sweep(self) -> None:
        """After it ended: nothing that it started may stay behind."""
        signal_group(self.pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def rotate(log: Path) -> None:
    """Keep one older log of a process that writes much."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def last_lines(log: Path, count: int = 1) -> list[str]:
    """The last lines of a log that say something, from its last 64 KiB; without colours."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65536))
        text = _ESCAPES.sub("", file.read().decode("utf-8", "replace"))
    return [line for line in text.splitlines() if line.strip()][-count:]
