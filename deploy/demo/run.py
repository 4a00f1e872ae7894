"""The demo: start the stack, feed it, show it, stop it."""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

from rich.console import Console
from rich.live import Live

from deploy.check.indicators import closed_through
from deploy.check.ledger_vs_sql import compare
from deploy.check.warehouse import Warehouse
from deploy.demo import view
from deploy.demo.figures import Figures, look
from deploy.simulator import Simulator, SimulatorOptions
from deploy.stack.home import Home
from deploy.stack.running import RunningStack
from deploy.stack.settings import HOST, StackSettings
from deploy.stack.stop_request import StopRequest

_LOOK_EVERY_S = 2.0
_LINES_EVERY_S = 10.0
_SETTLE_S = 15.0
_SHANGHAI = timezone(timedelta(hours=8))


@dataclass(frozen=True)
class DemoOptions:
    """`seconds`: None runs until Ctrl-C. `fresh` False goes on where the last demo stopped."""

    simulator: SimulatorOptions
    seconds: float | None
    fresh: bool


class Demo:
    """One demo. `say` gets plain lines."""

    def __init__(
        self, settings: StackSettings, options: DemoOptions, say: Callable[[str], None]
    ) -> None:
        self._settings, self._options, self._say = settings, options, say
        self._home = Home(settings.home)
        self._request = StopRequest()
        self._url = f"http://{HOST}:{settings.ports.screen}/"
        self._runs: list[Simulator] = []
        self._told_flags: set[tuple[str, object]] = set()

    def run(self) -> bool:
        """Until Ctrl-C or the time is over; True when everything then ended cleanly."""
        self._say(view.UNSIGNED)
        with self._request.listening():
            stack = RunningStack(self._settings, self._say, fresh=self._options.fresh)
            try:
                if stack.await_ready(self._request.wait):
                    self._feed_and_show(stack)
            finally:
                clean = self._stop_simulator()
                clean = stack.stop() == 0 and clean
        return clean

    def _feed_and_show(self, stack: RunningStack) -> None:
        warehouse = Warehouse.of(self._settings)
        self._say(f"screen: {self._url}")
        self._open_browser()
        self._start(self._first(warehouse))
        began = time.monotonic()
        with self._screen() as show:
            while not self._over(began):
                stack.poll()
                self._go_live_when_caught_up()
                show(self._figures(warehouse), time.monotonic() - began)
        self._stop_simulator()
        self._close(warehouse)

    # --- the simulated city ------------------------------------------------------------------

    def _first(self, warehouse: Warehouse) -> SimulatorOptions:
        """From an evening before, or where the kept state ends: what is before that is closed."""
        closed = None if self._options.fresh else closed_through(warehouse)
        now = datetime.now(UTC)
        if closed is None:
            return until_now(self._options.simulator, evening_before(now), now)
        start = closed.replace(tzinfo=UTC) + timedelta(minutes=1)
        self._say(f"going on from {start:%Y-%m-%d %H:%M} UTC, where the kept state ends")
        return until_now(self._options.simulator, start, now)

    def _start(self, options: SimulatorOptions) -> None:
        number = len(self._runs) + 1
        out = self._home.data / "push" / f"{time.time_ns()}"
        log = self._home.logs / f"simulator-{number}.log"
        self._runs.append(Simulator(options, self._settings.bootstrap, out, log))

    def _go_live_when_caught_up(self) -> None:
        """Faster than life ends at the clock; from there on it runs as life does."""
        current = self._runs[-1]
        current.check()
        if current.exit_code() is None:
            return
        current.ledger.read()
        self._start(at_life(self._options.simulator))

    def _stop_simulator(self) -> bool:
        current = self._runs[-1] if self._runs else None
        if current is None or (code := current.exit_code()) is not None:
            return current is None or code == 0
        return current.stop() == 0

    # --- the summary -------------------------------------------------------------------------

    def _figures(self, warehouse: Warehouse) -> Figures:
        for run in self._runs[-1:]:
            run.ledger.read()
        produced = sum(run.ledger.total for run in self._runs)
        newest = max(run.ledger.newest_event_ms for run in self._runs)
        return look(self._settings, warehouse, produced, newest)

    @contextmanager
    def _screen(self) -> Iterator[Callable[[Figures, float], None]]:
        console = Console()
        if not console.is_terminal:
            yield self._plain()
            return
        with Live(console=console, refresh_per_second=4, redirect_stderr=False) as live:
            yield lambda figures, uptime: live.update(view.panel(figures, self._url, uptime))

    def _plain(self) -> Callable[[Figures, float], None]:
        last = -_LINES_EVERY_S

        def show(figures: Figures, uptime: float) -> None:
            nonlocal last
            if uptime - last >= _LINES_EVERY_S:
                last = uptime
                for line in view.lines(figures):
                    self._say(line)
            for flag in figures.flags:
                if (flag.en, flag.grade) not in self._told_flags:
                    self._told_flags.add((flag.en, flag.grade))
                    self._say(view.flag_line(flag))

        return show

    def _over(self, began: float) -> bool:
        limit = self._options.seconds
        left = _LOOK_EVERY_S if limit is None else began + limit - time.monotonic()
        return left <= 0 or self._request.wait(min(_LOOK_EVERY_S, left))

    # --- the end -----------------------------------------------------------------------------

    def _close(self, warehouse: Warehouse) -> None:
        """What came in is still stored, then counted as sets of identities."""
        self._say("stopping; storing what was sent")
        began = time.monotonic()
        ledgers = [run.ledger.path for run in self._runs]
        while True:
            found = compare(ledgers, warehouse)
            missing = sum(rows.missing for rows in found.values())
            if not missing or time.monotonic() - began > _SETTLE_S:
                break
            time.sleep(0.5)
        produced = sum(rows.produced for rows in found.values())
        doubled = sum(rows.duplicates for rows in found.values())
        self._say(f"summary: {produced:,} rows produced, {missing:,} missing, {doubled:,} doubled")
        figures = self._figures(warehouse)
        for line in view.lines(figures):
            self._say(line)
        for flag in figures.flags:
            self._say(view.flag_line(flag))

    def _open_browser(self) -> None:
        """Only where somebody sits before it."""
        has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if sys.stdout.isatty() and (has_display or sys.platform == "darwin"):
            webbrowser.open(self._url)


def evening_before(now: datetime) -> datetime:
    """The latest 19:00 in Shanghai that is at least twelve hours ago: a city at its busiest."""
    evening = now.astimezone(_SHANGHAI).replace(hour=19, minute=0, second=0, microsecond=0)
    while now - evening < timedelta(hours=12):
        evening -= timedelta(days=1)
    return evening.astimezone(UTC)


def until_now(options: SimulatorOptions, start: datetime, now: datetime) -> SimulatorOptions:
    """The options of a run from `start` until its event time has caught up with the clock.

    `options.spikes` is a number a day; a run too short for one has none. With less than a minute
    to catch up there is nothing to run ahead of: it runs as life does from the start.
    """
    # Rounded down: a run that would end after the clock is refused.
    minutes = int((now - start).total_seconds() / 60 * options.speed / (options.speed - 1))
    if minutes < 1:
        return at_life(options)
    spikes = round(options.spikes * minutes / 1440) if minutes >= 60 else 0
    return replace(options, start=start.isoformat(), duration=f"{minutes}m", spikes=spikes)


def at_life(options: SimulatorOptions) -> SimulatorOptions:
    """The options of a run from now on, as fast as life is, without an end."""
    seed = options.seed + 1
    return replace(options, speed=1, duration=None, start=None, spikes=0, seed=seed)
