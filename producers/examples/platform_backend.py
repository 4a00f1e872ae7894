"""A small platform back end that reports its live sessions through the gateway, by HTTP.

    LIVEWATCH_API_KEY=lw_... python -m producers.examples.platform_backend http://127.0.0.1:8087

It needs nothing of livewatch's: the standard library is enough. What matters:

- Identities leave as pseudonyms only: HMAC-SHA256 with a secret that stays here.
- A report has an idempotency key that is fixed before it is first sent, so that sending it again
  after a lost answer counts nothing twice.
- 429 and 503 say when to come back; a 422 names the row, the field and the rule.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import secrets
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Session:
    """A live session as this platform knows it; names and phone numbers stay in other tables."""

    room: str
    streamer: str
    merchant: str
    district: str = "310115"
    category: str = "food"
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    orders: int = 0
    paid_fen: int = 0


def pseudonym(secret: bytes, kind: str, name: str) -> str:
    """The same name gives the same pseudonym, and nobody without the secret gets back."""
    return hmac.new(secret, f"{kind}:{name}".encode(), hashlib.sha256).hexdigest()[:32]


def row_of(session: Session, secret: bytes, now_ms: int) -> dict[str, Any]:
    """What was sold since the last report."""
    return {
        "event_time": now_ms,
        "session_id": session.id,
        "room_pid": pseudonym(secret, "room", session.room),
        "streamer_pid": pseudonym(secret, "streamer", session.streamer),
        "merchant_pid": pseudonym(secret, "merchant", session.merchant),
        "district": session.district,
        "category": session.category,
        "orders": session.orders,
        "paid_fen": session.paid_fen,
        "refunds": 0,
        "refunded_fen": 0,
    }


class Reporter:
    """Sends reports, each until it is accepted."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url, self._api_key = url, api_key

    def send(self, sample: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The gateway's answer. Raises ValueError with its words when it refuses for good."""
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's own
            f"{self._url}/v1/samples/{sample}",
            json.dumps(rows).encode(),
            {
                "Authorization": f"Bearer {self._api_key}",
                "Content-Type": "application/json",
                "Idempotency-Key": secrets.token_hex(16),
            },
        )
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
                    answer: dict[str, Any] = json.load(reply)
                    return answer
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503):
                    raise ValueError(error.read().decode()) from None
                time.sleep(float(error.headers.get("Retry-After", "1")))
            except OSError:
                time.sleep(1)  # no answer: the same report again, under the same key


def main() -> None:
    """Five rooms that sell, reported every second, ten times."""
    reporter = Reporter(sys.argv[1], os.environ["LIVEWATCH_API_KEY"])
    secret = secrets.token_bytes(32)  # a real platform keeps it, and rotates it every 90 days
    dice = random.Random()  # noqa: S311 - a made-up shop
    rooms = [Session(f"room {n}", f"streamer {n}", f"shop {n}") for n in range(5)]
    accepted = 0
    for _ in range(10):
        for room in rooms:
            room.orders = dice.randrange(5)
            room.paid_fen = room.orders * 9_900
        now = int(time.time() * 1000)
        accepted += reporter.send("orders", [row_of(r, secret, now) for r in rooms])["accepted"]
        time.sleep(float(os.environ.get("REPORT_EVERY_S", "1")))
    sys.stdout.write(f"{accepted} rows accepted\n")


if __name__ == "__main__":
    main()
