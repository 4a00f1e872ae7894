"""Ports, checked before anything is started."""

from __future__ import annotations

import random
import socket

import psutil

from deploy.errors import StackError, UsageError
from deploy.stack.settings import BROKER_STRIDE, HOST, Ports

# Below the range from which Linux takes the source ports of outgoing connections, so that a port
# found free is still free when its server binds it.
_CANDIDATES = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def check(named: dict[str, int]) -> None:
    """Raise one line naming the first port that cannot be had and the option that moves it."""
    seen: dict[int, str] = {}
    for option, port in named.items():
        if port in seen:
            raise UsageError(f"port {port} is given twice: {seen[port]} and {option}")
        seen[port] = option
        if not is_free(port):
            flag = option.partition(" ")[0]
            raise StackError(f"port {port} is in use{_by_whom(port)}; choose another with {flag}")


def free_run(length: int = 1, rng: random.Random | None = None) -> int:
    """First of `length` consecutive free ports."""
    rng = rng or random.SystemRandom()
    for _ in range(200):
        first = rng.randrange(_CANDIDATES.start, _CANDIDATES.stop - length)
        if all(is_free(first + n) for n in range(length)):
            return first
    raise StackError(f"no {length} free ports in {_CANDIDATES.start}-{_CANDIDATES.stop}")


def free_ports(workers: int, brokers: int = 1) -> Ports:
    """Ports for a whole stack, none of them in use now."""
    kafka = free_run(brokers * BROKER_STRIDE + 5 + max(workers, 1))
    first = kafka + brokers * BROKER_STRIDE
    return Ports(
        kafka, kafka + 1, first, first + 1, first + 2,
        worker_base=first + 5, alerts=first + 3, api=first + 4,
    )  # fmt: skip


def _by_whom(port: int) -> str:
    """' by name (pid)' where the system lets us see it."""
    try:
        for conn in psutil.net_connections("tcp"):
            listens = conn.status == psutil.CONN_LISTEN and conn.pid
            if listens and conn.laddr and conn.laddr[1] == port:
                return f" by {psutil.Process(conn.pid).name()} (pid {conn.pid})"
    except psutil.Error:
        pass
    return ""
