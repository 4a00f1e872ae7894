"""No process outlives its stack."""

from __future__ import annotations

import os

import psutil

from deploy.stack.process import ProcessId
from deploy.stack.statefile import State


class Census:
    """Every process that a stack was seen to run. Each leads a group of its own, in which
    whatever it starts is found."""

    def __init__(self) -> None:
        self._seen: set[ProcessId] = set()

    def count(self, state: State | None) -> None:
        """Note who is there now; call it whenever the stack may have changed."""
        if state is None:
            return
        self._seen |= {record.id for record in state.processes.values()}
        if state.supervisor:
            self._seen.add(state.supervisor)

    def add(self, process: ProcessId) -> None:
        """Note one more."""
        self._seen.add(process)

    def orphans(self) -> list[int]:
        """Pids of those that are still alive, or of any process in their groups."""
        groups = {process.pid for process in self._seen}
        alive = {process.pid for process in self._seen if process.alive()}
        for pid in psutil.pids():
            if _group(pid) in groups and ProcessId.of(pid):
                alive.add(pid)
        return sorted(alive)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
