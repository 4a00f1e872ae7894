"""Attempts to write in another platform's name: over Kafka and over HTTP. None may pass."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
from kafka import KafkaProducer

from deploy.check.warehouse import Warehouse
from deploy.errors import StackError
from deploy.producer_check.city import OTHER, OWN, GatewayProcess, Parties, order
from deploy.producer_check.gateway_trial import post
from producers.gateway.parse import JSON, parse
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, Headers, to_headers
from schemas.sharding import shard_of
from schemas.signing import SIGNATURE_HEADER, Signer
from schemas.telemetry import SampleType

_ORDERS = SampleType.ORDERS
_STORED_S = 90.0
_FORGED, _GENUINE = 666_000_000, 777_000_000
_SESSION = "5f" * 16


@dataclass
class Forger:
    """Counts what was tried and what passed. `paid_fen` says which attempt a row comes from."""

    parties: Parties
    bootstrap: str
    partitions: int
    tried: int = 0
    passed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        self._partition = int(shard_of([_SESSION.encode()], self.partitions)[0])
        self._names: dict[int, str] = {}

    def over_kafka(self, warehouse: Warehouse) -> None:
        """Forged batches of p02, then a genuine one behind them: when that is stored, they have
        been judged. Raises StackError when the genuine one is not."""
        p = self.parties
        forgeries: dict[str, Callable[[int], None]] = {
            "another platform's key": lambda n: self._batch(n, p.own),
            "an unregistered key": lambda n: self._batch(n, p.stranger),
            "a revoked key": lambda n: self._batch(n, p.revoked),
            "an expired key": lambda n: self._batch(n, p.expired),
            "a gateway without delegation": lambda n: self._batch(n, p.undelegated),
            "no signature": lambda n: self._batch(n, None),
            "changed rows under a signature": self._changed_rows,
            "a changed header under a signature": self._changed_header,
            "a key id that is not the signer's": self._wrong_key_id,
            "a signature from another partition": self._from_another_partition,
            "a signature from another topic": self._from_another_topic,
        }
        for number, (name, forge) in enumerate(forgeries.items()):
            self._names[_FORGED + number] = name
            forge(_FORGED + number)
            self.tried += 1
        self._batch(_GENUINE, p.other)
        self._batch(_GENUINE, p.other, partition=self._partition)  # the same batch once more
        self._producer.flush(30)
        self._await(warehouse)
        time.sleep(2)
        self._judge(warehouse)
        self._producer.close(5)

    def over_http(self, gateway: GatewayProcess) -> None:
        """Keys that open nothing, and what one platform's key must not tell of another."""
        own, other = gateway.api_key(OWN), gateway.api_key(OTHER)
        gone = gateway.api_key(OTHER)
        gateway.keys.revoke(gone.split("_")[1], int(time.time() * 1000))
        body = json.dumps([order(_FORGED + 500)]).encode()
        post(gateway.url, "/v1/samples/orders", other, body, "theirs")
        attempts = {
            "a revoked API key": gone,
            "an expired API key": gateway.api_key(OTHER, 0, 1),
            "an API key that is not valid yet": gateway.api_key(OTHER, 1 << 50),
            "another secret under a known id": other[:20] + own[20:],
            "no API key": "",
        }
        for name, key in attempts.items():
            self._http(name, post(gateway.url, "/v1/samples/orders", key, body) == 401)
        self._http("another's receipt", _get(gateway.url + "/v1/receipts/theirs", own) == 404)

    def _http(self, name: str, refused: bool) -> None:
        self.tried += 1
        if not refused:
            self.passed.append(name)

    def _batch(self, number: int, signer: Signer | None, partition: int | None = None) -> None:
        at = self._partition if partition is None else partition
        headers, value = self._made(number, at, signer)
        self._send(_ORDERS.topic, at, headers, value)

    def _made(self, number: int, partition: int, signer: Signer | None) -> tuple[Headers, bytes]:
        """A batch in p02's name; each attempt is a source of its own, so that none is a repeat."""
        now = int(time.time() * 1000)
        source = f"forger-{number}"
        ident = BatchIdentity(OTHER, source, 1, _ORDERS.topic, partition, 0)
        headers = to_headers(BatchHeader(ident, 1, now - 5_000, now))
        value = encode(_row(number))
        if signer is None:
            return headers, value
        return signer.sign(ident.topic, partition, headers, value), value

    def _changed_rows(self, number: int) -> None:
        headers, _ = self._made(number, self._partition, self.parties.other)
        self._send(_ORDERS.topic, self._partition, headers, encode(_row(number + 1000)))
        self._names[number + 1000] = self._names[number]

    def _changed_header(self, number: int) -> None:
        headers, value = self._made(number, self._partition, self.parties.other)
        changed = [(n, b"9" + v if n == "ce_watermark" else v) for n, v in headers]
        self._send(_ORDERS.topic, self._partition, changed, value)

    def _wrong_key_id(self, number: int) -> None:
        headers, value = self._made(number, self._partition, self.parties.own)
        wanted = self.parties.other.key_id.encode()
        changed = [(n, wanted if n == "ce_keyid" else v) for n, v in headers]
        self._send(_ORDERS.topic, self._partition, changed, value)

    def _from_another_partition(self, number: int) -> None:
        """Genuine in every way, but brought to a place for which it was not signed."""
        elsewhere = (self._partition + 1) % self.partitions
        headers, value = self._made(number, elsewhere, self.parties.other)
        mine, _ = self._made(number, self._partition, None)
        signed = dict(headers)
        kept = [(n, signed[n]) for n in ("ce_keyid", SIGNATURE_HEADER)]
        self._send(_ORDERS.topic, self._partition, [*mine, *kept], value)

    def _from_another_topic(self, number: int) -> None:
        headers, value = self._made(number, self._partition, self.parties.other)
        self._send(SampleType.VIEWERS.topic, self._partition, headers, value)

    def _send(self, topic: str, partition: int, headers: Headers, value: bytes) -> None:
        self._producer.send(topic, value=value, headers=headers, partition=partition).get(30)

    def _await(self, warehouse: Warehouse) -> None:
        deadline = time.monotonic() + _STORED_S
        while _count(warehouse, _GENUINE) < 1:
            if time.monotonic() > deadline:
                raise StackError("a genuine batch was not stored: nothing was proven")
            time.sleep(0.5)

    def _judge(self, warehouse: Warehouse) -> None:
        for number, name in self._names.items():
            if _count(warehouse, number):
                self.passed.append(name)
        self.tried += 1
        if _count(warehouse, _GENUINE) != 1:
            self.passed.append("a replayed batch")


def _row(number: int) -> pa.RecordBatch:
    body = json.dumps([order(number) | {"session_id": _SESSION}]).encode()
    return parse(_ORDERS, JSON, body, 1, int(time.time() * 1000)).rows


def _count(warehouse: Warehouse, number: int) -> int:
    question = "SELECT count() FROM v_orders WHERE platform_id = %(p)s AND paid_fen = %(n)s"
    return int(warehouse.rows(question, {"p": OTHER, "n": number})[0][0])


def _get(url: str, api_key: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {api_key}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=15) as reply:  # noqa: S310
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
