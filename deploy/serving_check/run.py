"""The whole check, part by part; each part is handed a directory and says what it found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.errors import UserError
from deploy.serving_check import disclosure, panels, sharing
from deploy.serving_check.alerts import AlertsSize, AlertsTrial
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


SHORT = Size(AlertsSize(rounds=2, flags=12))


@dataclass(frozen=True)
class Place:
    """What every part gets: a stack that runs, and a directory of its own beside it."""

    stack: RunningStack
    directory: Path
    say: Say


Part = Callable[[Place, Size], dict[str, Any]]


def run(size: Size, wanted: Collection[str], say: Say) -> dict[str, Any]:
    """The report; `passed` says whether everything that ran held. `wanted`: names of PARTS."""
    began = time.monotonic()
    report: dict[str, Any] = {}
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="livewatch-serving-") as home:
        # No worker: flags and rows are written by the parts, so that what is right is known.
        settings = StackSettings(
            Path(home) / "stack", free_ports(1), workers=0, partitions=2, api=True
        )
        stack = RunningStack(settings, say)
        try:
            stack.await_ready(_wait)
            for name, part in PARTS.items():
                if name not in wanted:
                    continue
                say(name)
                directory = Path(home) / name
                directory.mkdir()
                try:
                    report |= part(Place(stack, directory, say), size)
                except UserError as error:
                    say(f"FAILED: {name}: {error}")
                    broken.append(f"{name} broke off: {error}")
        finally:
            stack.stop()
    report["not_run"] = not_run(report)
    report["failures"] = [*broken, *failures(report)]
    report["wall_s"] = round(time.monotonic() - began, 1)
    report["passed"] = not report["failures"]
    return report


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
    return disclosure.run(place.stack.settings, place.say)


def _sharing(place: Place, _: Size) -> dict[str, Any]:
    return sharing.run(place.stack.settings, place.say)


def _panels(place: Place, _: Size) -> dict[str, Any]:
    return panels.run(place.stack.settings, place.say)


#: In order: the first fills the warehouse, and the last raises flags that the alerts would tell.
PARTS: dict[str, Part] = {
    "disclosure": _disclosure,
    "panels": _panels,
    "alerts": _alerts,
    "sharing": _sharing,
}


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False
