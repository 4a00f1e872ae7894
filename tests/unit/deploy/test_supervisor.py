"""The supervisor with trivial stand-ins: order, restarts, giving up, unclean ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import StackError
from deploy.stack import ports, statefile
from deploy.stack.home import Home
from deploy.stack.process import Child, ProcessId
from deploy.stack.restart import EX_TEMPFAIL, RestartPolicy
from deploy.stack.sentry import SentryPolicy
from deploy.stack.services import Service, Step, Task
from deploy.stack.settings import StackSettings
from deploy.stack.statefile import Phase, State
from deploy.stack.supervisor import Supervisor

# Ends with 0 on SIGTERM, as a good child does; says so in a file of its own.
_GOOD = """
import pathlib, signal, sys
def end(*_):
    with open(sys.argv[1], "a") as book: book.write(f"stop {sys.argv[2]}\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
with open(sys.argv[1], "a") as book: book.write(f"start {sys.argv[2]}\\n")
while True: signal.pause()
"""
_QUICK = RestartPolicy(first_delay=0.01, max_delay=0.02, give_up=3)


@pytest.fixture(autouse=True)
def _no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "check", lambda named: None)


class Bench:
    """Runs a supervisor over stand-ins; `when` sends SIGTERM once a line contains the text."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.book = root / "book"
        self.lines: list[str] = []
        self._hooks: list[tuple[str, Callable[[], None]]] = []

    def good(self, name: str) -> Service:
        argv = [sys.executable, "-S", "-c", _GOOD, str(self.book), name]
        started = f"start {name}\n"

        def not_ready() -> str | None:
            told = self.book.read_text() if self.book.exists() else ""
            return None if started in told else "not yet"

        return Service(name, lambda: argv, not_ready=not_ready, policy=_QUICK)

    def script(self, name: str, code: str) -> Service:
        argv = [sys.executable, "-S", "-c", code]
        return Service(name, lambda: argv, policy=_QUICK)

    def on(self, text: str, action: Callable[[], None]) -> None:
        self._hooks.append((text, action))

    def stop_on(self, text: str) -> None:
        self.on(text, lambda: os.kill(os.getpid(), signal.SIGTERM))

    def run(self, *steps: Step) -> bool:
        settings = StackSettings(self.root / "home", workers=0)
        return Supervisor(settings, list(steps), self._say).run()

    def state(self) -> State:
        state = statefile.read(Home(self.root / "home").state_file)
        assert state is not None
        return state

    def told(self) -> list[str]:
        return self.book.read_text().splitlines()

    def _say(self, line: str) -> None:
        self.lines.append(line)
        for text, action in self._hooks:
            if text in line:
                action()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_starts_in_order_and_stops_in_reverse_order(bench: Bench) -> None:
    bench.stop_on("ready; Ctrl-C")
    ends = Task("task", [sys.executable, "-S", "-c", "print('done')"])
    assert bench.run([bench.good("a")], ends, [bench.good("b")])
    assert bench.told() == ["start a", "start b", "stop b", "stop a"]
    state = bench.state()
    assert state.phase == Phase.STOPPED
    assert {name: end.code for name, end in state.exits.items()} == {"a": 0, "b": 0}
    assert not any(record.id.alive() for record in state.processes.values())


def test_a_killed_service_comes_back(bench: Bench) -> None:
    bench.on("ready; Ctrl-C", lambda: bench.state().processes["a"].id.kill_group(signal.SIGKILL))
    bench.stop_on("a restarted")
    bench.run([bench.good("a")])
    assert any("killed by SIGKILL; restart in" in line for line in bench.lines)
    assert bench.state().processes["a"].restarts == 1


def test_a_service_that_stays_unwell_is_ended_and_comes_back(bench: Bench) -> None:
    # Unwell until it is killed, however late the machine looks at it.
    sick = replace(
        bench.good("a"),
        unwell=lambda: None if any("killed" in line for line in bench.lines) else "stuck",
        sentry=SentryPolicy(every=0.05, first=0.0, patience=0.1),
    )
    bench.stop_on("a restarted")
    bench.run([sick])
    assert "a: unwell for too long (stuck); killed" in bench.lines
    assert bench.state().processes["a"].restarts == 1


def test_try_again_is_restarted_at_once(bench: Bench, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = f"import os, sys, signal\nif os.path.exists({str(seen)!r}): signal.pause()\n"
    code += f"open({str(seen)!r}, 'w')\nsys.exit({EX_TEMPFAIL})"
    bench.stop_on("a restarted")
    bench.run([bench.script("a", code)])
    assert any("exit code 75; restart in 0.0 s" in line for line in bench.lines)


def test_it_gives_up_on_what_keeps_failing_and_says_so(bench: Bench) -> None:
    bench.stop_on("given up")
    clean = bench.run([bench.script("a", "import sys; sys.exit('no such city')")])
    assert not clean
    assert "a: given up after 3 quick failures, exit code 1: no such city" in bench.lines


def test_what_must_start_and_does_not_is_an_error(bench: Bench) -> None:
    failing = Service(
        "kafka", lambda: [sys.executable, "-S", "-c", "import sys; sys.exit('disk full')"],
        not_ready=lambda: "no answer", must_start=True,
    )  # fmt: skip
    with pytest.raises(StackError, match="kafka did not start, exit code 1: disk full"):
        bench.run([bench.good("a")], [failing])
    assert bench.told() == ["start a", "stop a"]
    assert bench.state().phase == Phase.FAILED


def test_a_task_that_fails_stops_everything(bench: Bench) -> None:
    task = Task("migrate", [sys.executable, "-S", "-c", "import sys; sys.exit('bad table')"])
    with pytest.raises(StackError, match="migrate failed, exit code 1: bad table"):
        bench.run([bench.good("a")], task)
    assert bench.told() == ["start a", "stop a"]


def test_the_deaf_are_killed_and_it_is_not_clean(bench: Bench, tmp_path: Path) -> None:
    note = tmp_path / "deaf"
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += f"open({str(note)!r}, 'w')\nwhile True: signal.pause()"
    deaf = Service(
        "deaf", lambda: [sys.executable, "-S", "-c", code], grace=0.3,
        not_ready=lambda: None if note.exists() else "not yet",
    )  # fmt: skip
    bench.stop_on("ready; Ctrl-C")
    assert not bench.run([deaf])
    assert bench.state().exits["deaf"].code == -signal.SIGKILL
    assert bench.lines[-1].endswith("(killed by SIGKILL): not clean")


def test_a_grandchild_does_not_stay_behind(bench: Bench, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = "import subprocess, signal\n"
    code += f"child = subprocess.Popen(['sleep', '300'])\nopen({str(note)!r}, 'w')"
    code += ".write(str(child.pid))\nsignal.pause()"
    service = Service(
        "parent", lambda: [sys.executable, "-c", code],
        not_ready=lambda: None if note.exists() and note.read_text() else "not yet",
    )  # fmt: skip
    bench.stop_on("ready; Ctrl-C")
    bench.run([service])
    assert ProcessId.of(int(note.read_text())) is None


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = "import pathlib, sys, signal\n"
    code += "from deploy.stack.process import Child\n"
    code += f"child = Child(['sleep', '300'], {{}}, pathlib.Path({str(tmp_path / 'log')!r}))\n"
    code += f"pathlib.Path({str(note)!r}).write_text(str(child.pid))\nsignal.pause()"
    parent = Child([sys.executable, "-c", code], {}, tmp_path / "parent.log")
    tick = threading.Event()
    while not (note.exists() and note.read_text()):
        assert parent.exit_code() is None, (tmp_path / "parent.log").read_text()
        tick.wait(0.02)
    grandchild = ProcessId.of(int(note.read_text()))
    assert grandchild is not None
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(5)
    for _ in range(100):
        if not grandchild.alive():
            return
        tick.wait(0.02)
    pytest.fail("it outlived its parent")
