"""One function per kind of fault. A fault counts only when its effect was seen.

An injector returns at once with a check that says whether the effect is there yet, and what is
to be undone later (SIGCONT after SIGSTOP) is on a list that the round works off.
"""

from __future__ import annotations

import heapq
import itertools
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.chaos import tally
from deploy.chaos.plan import Fault
from deploy.chaos.programs import GATEWAY, PRODUCER, SDK
from deploy.chaos.proxy import Proxy
from deploy.chaos.small_disk import SmallDisk
from deploy.chaos.sources import Sources
from deploy.chaos.unruly import Unruly
from deploy.stack.kafka import not_ready
from deploy.stack.process import ProcessId
from deploy.stack.running import RunningStack
from deploy.stack.settings import HOST

#: Whether the effect was seen; asked until it was, or its time is over.
Seen = Callable[[], bool]
_STRIKE_PATIENCE_S = 30.0


@dataclass(order=True)
class _Due:
    at: float
    number: int
    action: Callable[[], None] = field(compare=False)


class Later:
    """Actions that are due at some time; worked off by the loop that owns it."""

    def __init__(self) -> None:
        self._heap: list[_Due] = []
        self._numbers = itertools.count()

    def add(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, _Due(time.monotonic() + seconds, next(self._numbers), action))

    def work(self, *, everything: bool = False) -> None:
        """Do what is due, or everything that is left."""
        while self._heap and (everything or self._heap[0].at <= time.monotonic()):
            heapq.heappop(self._heap).action()


@dataclass
class Target:
    """What a round can break."""

    stack: RunningStack
    sources: Sources
    unruly: Unruly
    to_clickhouse: Proxy
    to_kafka: list[Proxy]
    spools: SmallDisk
    sdk_tally: Path
    session_timeout_s: float
    later: Later = field(default_factory=Later)

    def inject(self, fault: Fault) -> Seen | None:
        """Do it; None when there is nothing to do it to at the moment."""
        what, _, how = fault.kind.partition(".")
        if what in ("batch", "clock"):
            return self.unruly.ask(how).done.is_set
        if what == "insert":
            return self._strike([self.to_clickhouse], how, fault.dice)
        if what == "kafka":
            return self._strike(self.to_kafka, how, fault.dice)
        if what == "spool":
            return self._fill(fault.dice)
        victim = self._victim(what, fault.dice)
        if victim is None:
            return None
        if how in ("pause", "zombie"):
            return self._pause(victim, self._pause_s(how, fault.dice))
        if how == "restart":
            signal_one(victim, signal.SIGTERM)
        else:
            victim.kill_group(signal.SIGKILL)
        return lambda: not victim.alive()

    def _pause_s(self, how: str, dice: float) -> float:
        """A zombie sleeps for longer than its session lasts, and wakes up to another's world."""
        return self.session_timeout_s * (1.3 + 0.5 * dice) if how == "zombie" else 1 + 3 * dice

    def _victim(self, what: str, dice: float) -> ProcessId | None:
        if what == "producer":
            return self.sources.process(dice, PRODUCER, SDK)
        if what == "gateway":
            return self.sources.process(dice, GATEWAY)
        names = {
            "worker": self.stack.settings.worker_names(),
            "broker": self.stack.settings.broker_names(),
            "clickhouse": ["clickhouse"],
        }[what]
        state = self.stack.state()
        name = names[int(dice * len(names))]
        if state is None or name not in state.processes:
            return None
        if what == "broker" and not self._all_brokers():
            return None
        found = state.processes[name].id
        return found if found.alive() else None

    def _all_brokers(self) -> bool:
        """One at a time: the others must be there, and hold everything that it holds."""
        settings = self.stack.settings
        direct = f"{HOST}:{settings.ports.kafka}"
        return not_ready(direct, settings.brokers) is None and (
            settings.brokers == 1 or in_sync(direct, settings.brokers)
        )

    def _fill(self, dice: float) -> Seen | None:
        """No block is free for some seconds, where the disk is ours; and the back end with the SDK
        hands in as much as it can, until it is refused."""
        victim = self.sources.process(dice, SDK)
        if victim is None:
            return None
        before = tally.read(self.sdk_tally).refusals
        if self.spools.small and not self.spools.fill():
            return None
        self.later.add(2 + 3 * dice, self.spools.empty)
        signal_one(victim, signal.SIGUSR1)
        return lambda: tally.read(self.sdk_tally).refusals > before

    def _pause(self, victim: ProcessId, seconds: float) -> Seen:
        victim.kill_group(signal.SIGSTOP)
        seen = stopped(victim)
        self.later.add(seconds, lambda: victim.kill_group(signal.SIGCONT))
        return lambda: seen

    def _strike(self, proxies: list[Proxy], how: str, dice: float) -> Seen:
        if how == "delay":
            proxy = proxies[int(dice * len(proxies))]
            return proxy.hold(1 + 2 * dice).is_set
        # Whichever of the brokers has a large request first.
        strikes = [proxy.strike(how, _STRIKE_PATIENCE_S) for proxy in proxies]
        return lambda: any(strike.hit.is_set() for strike in strikes)


def in_sync(bootstrap: str, brokers: int) -> bool:
    """Whether every partition has all its replicas in sync."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=3000)
        try:
            topics = admin.describe_topics()
        finally:
            admin.close()
    except (KafkaError, OSError):
        return False
    parts = [p for t in topics for p in t["partitions"]]
    return all(len(p["isr_nodes"]) == len(p["replica_nodes"]) for p in parts)


def signal_one(victim: ProcessId, number: signal.Signals) -> None:
    """As an operator does: the process alone, not its group."""
    if victim.alive():
        psutil.Process(victim.pid).send_signal(number)


def stopped(victim: ProcessId, patience_s: float = 1.0) -> bool:
    """Whether the kernel says that it is stopped."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "T":
            return True
        time.sleep(0.01)
    return False
