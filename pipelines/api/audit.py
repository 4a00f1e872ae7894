"""Who looked at what: on record in Kafka before the answer goes out."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import asdict, dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

_PATIENCE_S = 5.0


class UnauditedError(Exception):
    """The access could not be recorded, so there is no answer."""


@dataclass(slots=True)
class Access:
    """One request, as `access_log` keeps it. No content, no value of a parameter but the flag."""

    asked_at: int
    method: str
    client: str
    route: str = ""
    account: str = ""
    account_role: str = ""
    bound_to: str = ""
    via: str = ""
    asked_flag: str = ""
    http_status: int = 0
    shown: int = 0
    access_id: str = field(default_factory=lambda: secrets.token_hex(16))


class Audit:
    """Writes accesses to their topic; acknowledged by every replica that must have them."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._bootstrap = bootstrap.split(",")
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True
        )
        await self._producer.start()

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def record(self, access: Access) -> None:
        """Returns when it is on record. Raises UnauditedError."""
        value = json.dumps(asdict(access)).encode()
        if self._producer is None:
            raise UnauditedError
        try:
            sent = self._producer.send_and_wait(self._topic, value, partition=0)
            await asyncio.wait_for(sent, _PATIENCE_S)
        except (KafkaError, TimeoutError):
            raise UnauditedError from None
