"""The file of receivers, changed while the process runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.alerts import metrics
from pipelines.alerts.deliveries import Deliveries
from pipelines.alerts.errors import AlertsError
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.signature import new_secret

ENTRY = "  - {{name: {0}, url: 'http://127.0.0.1:{1}/', secret_file: key, desks: [commission]}}\n"


class Fake:
    """A deliverer that only knows whether it works."""

    def __init__(self, receiver: Receiver, log: list[str]) -> None:
        self.receiver, self.log = receiver, log
        self.wake = asyncio.Event()

    async def run(self) -> None:
        self.log.append(f"+{self.receiver.url}")
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append(f"-{self.receiver.url}")


def write(path: Path, **ports: int) -> None:
    (path.parent / "key").write_text(new_secret())
    lines = [ENTRY.format(name, port) for name, port in ports.items()]
    path.write_text("receivers:\n" + "".join(lines) if lines else "receivers: []\n")


def played(path: Path, *steps: Callable[[], object]) -> tuple[list[str], list[str]]:
    """(what deliverers did, names routed to) after each step has been taken notice of."""
    log: list[str] = []

    async def scenario() -> list[str]:
        make: Any = lambda receiver: Fake(receiver, log)  # noqa: E731
        deliveries = Deliveries(path, make, look_s=0.001)
        routed = deliveries.receivers
        running = asyncio.create_task(deliveries.run())
        for step in (lambda: None, *steps):
            step()
            await _looked_twice(deliveries)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert routed is deliveries.receivers
        return [one.name for one in routed]

    return log, asyncio.run(scenario())


def _looked_twice(deliveries: Deliveries) -> Awaitable[bool]:
    looked = asyncio.Event()
    looks: list[int] = []
    align = type(deliveries)._align

    def counted() -> None:
        align(deliveries)
        looks.append(1)
        if len(looks) == 2:
            looked.set()

    deliveries._align = counted
    return asyncio.wait_for(looked.wait(), 30)


def test_one_that_is_new_one_that_moved_and_one_that_left(tmp_path: Path) -> None:
    path = tmp_path / "receivers.yml"
    write(path, a=1, b=2)
    log, names = played(
        path, lambda: write(path, a=1, b=3, c=4), lambda: write(path, c=4), lambda: write(path)
    )
    urls = [f"{line[0]}{line.split(':')[2].rstrip('/')}" for line in log]
    assert urls[:2] == ["+1", "+2"]
    assert sorted(urls[2:5]) == ["+3", "+4", "-2"]
    assert sorted(urls[5:7]) == ["-1", "-3"]
    assert urls[7:] == ["-4"]
    assert names == []


def test_a_wrong_file_or_none_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "receivers.yml"
    write(path, a=1)
    wrong: list[float] = []

    def noted(step: Callable[[], object]) -> Callable[[], object]:
        return lambda: (wrong.append(metrics.WRONG._value.get()), step())

    log, names = played(
        path,
        noted(lambda: path.write_text("receivers: [{}]")),
        noted(path.unlink),
        noted(lambda: write(path, a=1)),
        noted(lambda: None),
    )
    assert log == ["+http://127.0.0.1:1/", "-http://127.0.0.1:1/"]
    assert names == ["a"]
    assert wrong == [0, 1, 1, 0]  # what an operator is told of it


def test_at_the_start_a_wrong_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "receivers.yml"
    path.write_text("receivers: 3")
    with pytest.raises(AlertsError):
        Deliveries(path, lambda _: pytest.fail("nobody delivers"))
