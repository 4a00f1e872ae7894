"""The whole check, part by part; each part is handed a directory and says what it found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from deploy.errors import UserError
from deploy.serving_check import browser, disclosure, panels, sharing, speed
from deploy.serving_check.alerts import AlertsSize, AlertsTrial
from deploy.serving_check.day import Shown, day_on_screen
from deploy.serving_check.verdict import failures, not_run
from deploy.stack.ports import free_ports
from deploy.stack.running import RunningStack
from deploy.stack.settings import StackSettings

Say = Callable[[str], None]
_SHOWN = 20


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    alerts: AlertsSize = field(default_factory=AlertsSize)
    langs: tuple[str, ...] = panels.LANGS
    """In which a browser opens the dashboards."""


SHORT = Size(AlertsSize(rounds=2, flags=12), langs=("zh",))


@dataclass(frozen=True)
class Place:
    """What every part gets: a stack that runs, a directory of its own beside it, and, where it
    asks for it, the simulated day, which is made once."""

    stack: RunningStack
    directory: Path
    say: Say
    shown: Callable[[], Shown]


Part = Callable[[Place, Size], dict[str, Any]]


def run(size: Size, wanted: Collection[str], say: Say) -> dict[str, Any]:
    """The report; `passed` says whether everything that ran held. `wanted`: names of PARTS."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="livewatch-serving-") as home:
        # No worker: flags and rows are written by the parts, so that what is right is known.
        settings = StackSettings(
            Path(home) / "stack", free_ports(1), workers=0, partitions=2, screen=False, api=True
        )
        stack = RunningStack(settings, say)
        try:
            stack.await_ready(_wait)
            with ExitStack() as opened:
                day = cache(lambda: opened.enter_context(day_on_screen(settings, Path(home), say)))
                places = {name: Place(stack, Path(home) / name, say, day) for name in PARTS}
                report, broken = _ran(places, size, wanted)
        finally:
            stack.stop()
    report["not_run"] = not_run(report)
    report["failures"] = [*broken, *failures(report)]
    report["wall_s"] = round(time.monotonic() - began, 1)
    report["passed"] = not report["failures"]
    return report


def _ran(
    places: dict[str, Place], size: Size, wanted: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """What the parts found, and which of them broke off."""
    report: dict[str, Any] = {}
    broken: list[str] = []
    for name, place in places.items():
        if name not in wanted:
            continue
        place.say(name)
        began = time.monotonic()
        place.directory.mkdir()
        try:
            report |= PARTS[name](place, size)
        except UserError as error:
            place.say(f"FAILED: {name}: {error}")
            broken.append(f"{name} broke off: {error}")
        place.say(f"{name}: {time.monotonic() - began:.1f} s")
    return report, broken


def _alerts(place: Place, size: Size) -> dict[str, Any]:
    trial = AlertsTrial(place.directory, place.stack.settings.bootstrap, size.alerts, place.say)
    try:
        found = trial.run()
    finally:
        trial.close()
    for line in found.details[:_SHOWN]:
        place.say(f"FAILED: {line}")
    return found.report()


def _disclosure(place: Place, _: Size) -> dict[str, Any]:
    return disclosure.run(place.stack.settings, place.directory, place.say)


def _sharing(place: Place, _: Size) -> dict[str, Any]:
    return sharing.run(place.stack.settings, place.say)


def _panels(place: Place, _: Size) -> dict[str, Any]:
    return panels.run(place.shown(), place.say)


def _speed(place: Place, _: Size) -> dict[str, Any]:
    return speed.run(place.shown(), place.say)


def _browser(place: Place, size: Size) -> dict[str, Any]:
    return browser.run(place.shown(), size.langs, place.say)


#: In order: the first fills the warehouse, and the last raises flags that the alerts would tell.
PARTS: dict[str, Part] = {
    "disclosure": _disclosure,
    "panels": _panels,
    "speed": _speed,
    "browser": _browser,
    "alerts": _alerts,
    "sharing": _sharing,
}


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False
