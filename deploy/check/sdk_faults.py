"""Kills of a back end that uses the SDK, and outages of Kafka, against the stored result.

The oracle is the back end's own book of accepted samples (`sdk_writer`); what was delivered is
asked of the warehouse's view. Every accepted sample must be there once, and nothing else.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.check.sdk_writer import PLATFORM, Writer, read_book
from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.stack.ports import free_ports
from deploy.stack.running import RunningStack
from deploy.stack.settings import StackSettings

_FIRST_S = 60.0
_FINISH_S = 120.0
_STORED_S = 120.0


@dataclass(frozen=True)
class FaultReport:
    """`lost`: accepted and not stored. `doubled`: stored more than once. `unknown`: stored and
    never handed in. `delivered`: accepted and stored."""

    kills: int
    broker_outages: int
    accepted: int
    delivered: int
    lost: int
    doubled: int
    unknown: int


def run(
    kills: int = 20, outages: int = 2, seed: int = 7, say: Callable[[str], None] = lambda _: None
) -> dict[str, int]:
    """On a stack of its own, on free ports. Raises StackError when a part does not start."""
    with tempfile.TemporaryDirectory(prefix="livewatch-sdk-") as home:
        settings = StackSettings(
            Path(home), free_ports(1), workers=1, partitions=4, screen=False, unsigned="accept"
        )
        stack = RunningStack(settings, say)
        try:
            stack.await_ready(_wait)
            trial = Trial(stack, Path(home) / "sdk", random.Random(seed), say)  # noqa: S311
            return asdict(trial.run(kills, outages))
        finally:
            stack.stop()


class Trial:
    """The same on a stack that runs already; `directory` is made and kept."""

    def __init__(
        self,
        stack: RunningStack,
        directory: Path,
        rng: random.Random,
        say: Callable[[str], None],
    ) -> None:
        self._stack, self._directory, self._rng, self._say = stack, directory, rng, say
        self._runs: list[Writer] = []

    def run(self, kills: int, outages: int) -> FaultReport:
        """Kills at random moments, outages between them; the last back end ends in order."""
        self._directory.mkdir(parents=True)
        after = set(self._rng.sample(range(max(kills, outages)), outages))
        for number in range(kills):
            writer = self._begin()
            if number in after:
                self._outage()
            time.sleep(self._rng.uniform(0.0, 1.5))
            writer.kill()
        writer = self._begin()
        for _ in range(max(0, outages - sum(n < kills for n in after))):
            self._outage()
        if writer.finish(_FINISH_S) != 0:
            raise StackError("the last back end did not get everything to Kafka")
        return self._compare(kills, outages)

    def _begin(self) -> Writer:
        """A new back end on the same spool that has accepted something."""
        settings = self._stack.settings
        writer = Writer(self._directory, settings.bootstrap, settings.partitions, len(self._runs))
        self._runs.append(writer)
        deadline = time.monotonic() + _FIRST_S
        while not writer.accepted():
            if writer.exit_code() is not None or time.monotonic() > deadline:
                writer.kill()
                raise StackError(f"back end {len(self._runs)} accepted nothing")
            time.sleep(0.05)
        return writer

    def _outage(self) -> None:
        """The broker is killed; the supervisor starts it again some seconds later."""
        self._stack.kill_process("kafka")
        self._say("killed kafka with SIGKILL")
        time.sleep(2)

    def _compare(self, kills: int, outages: int) -> FaultReport:
        book = read_book(w.book for w in self._runs)
        warehouse = Warehouse.of(self._stack.settings)
        deadline = time.monotonic() + _STORED_S
        while True:
            stored = _stored(warehouse)
            if book.accepted <= stored.keys() or time.monotonic() > deadline:
                break
            self._say(f"stored {len(stored):,} of {len(book.accepted):,} accepted")
            time.sleep(1)
        time.sleep(3)  # a repeat that comes late must be seen, too
        stored = _stored(warehouse)
        return FaultReport(
            kills=kills,
            broker_outages=outages,
            accepted=len(book.accepted),
            delivered=len(book.accepted & stored.keys()),
            lost=len(book.accepted - stored.keys()),
            doubled=sum(stored.values()) - len(stored),
            unknown=len(stored.keys() - book.tried),
        )


def _stored(warehouse: Warehouse) -> Counter[int]:
    question = "SELECT paid_fen, count() FROM v_orders WHERE platform_id = %(p)s GROUP BY 1"
    return Counter({int(n): int(c) for n, c in warehouse.rows(question, {"p": PLATFORM})})


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False
