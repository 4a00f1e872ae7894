"""A platform behind the gateway, the gateway killed and Kafka away: accepted against stored."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.check.warehouse import Warehouse
from deploy.producer_check.city import OWN, GatewayProcess, order

_ROWS = 20
_THREADS = 4
_STORED_S = 120.0


@dataclass(frozen=True)
class Delivered:
    accepted: int
    delivered: int
    lost: int
    doubled: int


@dataclass
class Platform:
    """Sends numbered rows until told to stop; each request until it is answered 202, under one
    idempotency key. What was under way when it stopped may be stored or not, but once."""

    url: str
    key: str
    stop: threading.Event = field(default_factory=threading.Event)
    accepted: set[int] = field(default_factory=set)
    tried: set[int] = field(default_factory=set)

    def run(self) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._send_all, args=(n * 10_000_000,), daemon=True)
            for n in range(1, _THREADS + 1)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _send_all(self, first: int) -> None:
        while not self.stop.is_set():
            numbers = range(first, first + _ROWS)
            self.tried.update(numbers)
            body = json.dumps([order(n) for n in numbers]).encode()
            if self._until_accepted(f"batch-{first}", body):
                self.accepted.update(numbers)
            first += _ROWS

    def _until_accepted(self, key: str, body: bytes) -> bool:
        patience = time.monotonic() + 60
        while time.monotonic() < patience:
            if post(self.url, "/v1/samples/orders", self.key, body, key) == 202:
                return True
            time.sleep(0.05)
        return False


def post(url: str, path: str, api_key: str, body: bytes, idempotency: str = "") -> int:
    """The status of the answer; 0 when there was none."""
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    if idempotency:
        headers["Idempotency-Key"] = idempotency
    request = urllib.request.Request(url + path, body, headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=15) as reply:  # noqa: S310
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def compare(platform: Platform, warehouse: Warehouse) -> Delivered:
    """Waits until everything accepted is stored, or for two minutes."""
    deadline = time.monotonic() + _STORED_S
    while not platform.accepted <= _stored(warehouse).keys() and time.monotonic() < deadline:
        time.sleep(1)
    time.sleep(3)  # a repeat that comes late must be seen, too
    stored = _stored(warehouse)
    unknown = len(stored.keys() - platform.tried)
    return Delivered(
        accepted=len(platform.accepted),
        delivered=len(platform.accepted & stored.keys()),
        lost=len(platform.accepted - stored.keys()),
        doubled=stored.total() - len(stored) + unknown,
    )


def _stored(warehouse: Warehouse) -> Counter[int]:
    question = (
        "SELECT paid_fen, count() FROM v_orders WHERE platform_id = %(p)s"
        " AND source = 'gw-check' GROUP BY 1"
    )
    return Counter({int(n): int(c) for n, c in warehouse.rows(question, {"p": OWN})})


def drive(
    gateway: GatewayProcess, platform: Platform, kills: int, outage: Callable[[], None] | None
) -> None:
    """Load; the gateway is killed `kills` times; `outage` happens in the middle."""
    threads = platform.run()
    for number in range(kills):
        time.sleep(1.5)
        if number == kills // 2 and outage is not None:
            outage()
        gateway.kill()
    time.sleep(2)
    platform.stop.set()
    for thread in threads:
        thread.join(90)
