"""The gateway's answers, on the real app and a real spool; no Kafka is needed to accept."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.testclient import TestClient

from deploy.check import http_fuzz
from producers.gateway import openapi
from producers.gateway.api_keys import new_key
from producers.gateway.limits import LimitPolicy, Limits
from schemas.keys import FOR_EVER_MS
from tests.integration.gateway.harness import RunningGateway, order, orders

pytestmark = pytest.mark.integration
GENERATED = Path(__file__).parents[3] / "schemas" / "generated" / "openapi.yaml"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with http_fuzz.app_under_test(tmp_path) as (app, key):
        yield TestClient(app, headers={"Authorization": f"Bearer {key}"})


def test_the_document_that_is_checked_in_is_fresh() -> None:
    assert yaml.safe_load(GENERATED.read_text()) == openapi.document()


def test_the_document_and_its_page_need_nothing_from_outside(client: TestClient) -> None:
    assert client.get("/openapi.json").json() == openapi.document()
    page = client.get("/docs")
    assert page.status_code == 200
    assert "/v1/samples/orders" in page.text
    assert re.findall(r"(?:src|href)=\"?(?!/openapi.json)[^>]*", page.text) == []
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_all_or_nothing_unless_asked_otherwise(client: TestClient) -> None:
    rows = [order(1), order(2, district="nowhere"), order(3, orders=-1)]
    refused = client.post("/v1/samples/orders", json=rows)
    assert refused.status_code == 422
    found = refused.json()
    assert found["error"] == {"field": "rows", "rule": "must follow the contract"}
    assert [(e["row"], e["field"]) for e in found["rows"]] == [(1, "district"), (2, "orders")]
    partial = client.post("/v1/samples/orders", params={"partial": "true"}, json=rows)
    assert partial.status_code == 202
    assert (partial.json()["accepted"], partial.json()["refused"]) == (1, 2)
    assert "nowhere" not in refused.text + partial.text


def test_too_fast_too_large_and_too_strange(client: TestClient) -> None:
    gateway = client.app.state.gateway  # type: ignore[attr-defined]
    gateway.limits = Limits(LimitPolicy(rows_per_s=10, burst_s=1, max_body=5_000, max_rows=12))
    good = "/v1/samples/orders"
    assert client.post(good, content=orders(0, 10), headers=JSON).status_code == 202
    slow = client.post(good, content=orders(0, 5), headers=JSON)
    assert (slow.status_code, slow.headers["retry-after"]) == (429, "1")
    statuses = [
        client.post(good, content=b" " * 5_001, headers=JSON).status_code,
        client.post(good, content=b"x", headers={"Content-Type": "text/csv"}).status_code,
        client.post(good, content=b"x", headers=JSON | {"Content-Encoding": "br"}).status_code,
        client.post(good, content=b"x", headers=JSON | {"Content-Encoding": "gzip"}).status_code,
        client.post("/v1/samples/nothing", json=[]).status_code,
        client.get(good).status_code,
        client.post(good, params={"partial": "maybe"}, json=[]).status_code,
        client.post(good, params={"partail": "true"}, json=[]).status_code,
        client.post(good, json=[], headers={"Idempotency-Key": "a b"}).status_code,
        client.get("/v1/status", params={"platform": "p02"}).status_code,
        client.get("/v1/receipts/k1", params={"platform": "p02"}).status_code,
    ]
    assert statuses == [413, 415, 415, 400, 404, 405, 422, 422, 422, 422, 422]


JSON = {"Content-Type": "application/json"}


def test_two_requests_at_once_with_one_key_are_one(client: TestClient) -> None:
    body, headers = orders(1, 5), JSON | {"Idempotency-Key": "twice"}
    headers["Authorization"] = client.headers["Authorization"]
    transport = httpx.ASGITransport(client.app)

    async def both() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://g") as at_once:
            path = "/v1/samples/orders"
            sent = [at_once.post(path, content=body, headers=headers) for _ in range(4)]
            return await asyncio.gather(*sent)

    answers = asyncio.run(both())
    assert [a.status_code for a in answers] == [202] * 4
    assert sum("idempotent-replay" in a.headers for a in answers) == 3
    store = client.app.state.gateway.reader  # type: ignore[attr-defined]
    assert sum(int(dict(b.batch.headers)["ce_rows"]) for b in store.after(0, 999)) == 5


def test_what_cannot_be_written_is_not_accepted_and_leaves_no_gap(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails: 503, and the numbers that were used are never seen."""
    import sqlite3

    from producers.gateway.store import Store

    good, real = "/v1/samples/orders", Store.commit
    assert client.post(good, content=orders(1, 1), headers=JSON).status_code == 202

    def broken(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Store, "commit", broken)
    assert client.post(good, content=orders(2, 1), headers=JSON).status_code == 503
    monkeypatch.setattr(Store, "commit", real)
    assert client.post(good, content=orders(3, 1), headers=JSON).status_code == 202
    numbers: dict[tuple[str, ...], list[int]] = {}
    for stored in client.app.state.gateway.reader.after(0, 9999):  # type: ignore[attr-defined]
        epoch, topic, partition, sequence = dict(stored.batch.headers)["ce_id"].decode().split("/")
        numbers.setdefault((epoch, topic, partition), []).append(int(sequence))
    assert len({epoch for epoch, _, _ in numbers}) == 2
    assert all(found == list(range(len(found))) for found in numbers.values())


def test_the_fuzzer_finds_nothing() -> None:
    found = http_fuzz.run(seconds=15, seed=11)
    assert found.failures == {}
    assert found.cases > 20


def test_a_client_certificate_stands_for_its_platform(topics: str, tmp_path: Path) -> None:
    made = Certificates(tmp_path)
    files = ["--tls-cert", str(made.server), "--tls-key", str(made.server_key)]
    gateway = RunningGateway(tmp_path, topics, *files, "--tls-client-ca", str(made.authority))
    entry, _ = new_key("p01", "", 0, FOR_EVER_MS, subject="p01.example")
    gateway.keys.add(entry)
    try:
        gateway.start()
        status = made.client("p01.example").get(gateway.url + "/v1/status")
        assert status.json()["platform_id"] == "p01"
        stranger = made.client("stranger.example").get(gateway.url + "/v1/status")
        assert stranger.status_code == 401
        with pytest.raises(httpx.HTTPError):
            made.client(None).get(gateway.url + "/v1/status")
    finally:
        gateway.end()


class Certificates:
    """An authority, the server's certificate, and clients'."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.authority = directory / "ca.pem"
        self.authority.write_bytes(_pem(self._signed(self._name, self._key, ca=True)))
        self.server, self.server_key = self._made("localhost")

    def client(self, name: str | None) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.check_hostname = False
        if name is not None:
            certificate, key = self._made(name)
            context.load_cert_chain(certificate, key)
        return httpx.Client(verify=context, trust_env=False)

    def _made(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        paths = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        paths[0].write_bytes(_pem(self._signed(subject, key, ca=False)))
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
        return paths

    def _signed(self, subject: x509.Name, key: Any, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        return builder.sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_the_readme_tells_the_truth(gateway: RunningGateway, tmp_path: Path) -> None:
    """Every curl command of the page, run as it stands."""
    readme = (Path(__file__).parents[3] / "producers" / "README.md").read_text()
    section = readme.partition("## By HTTP")[2].partition("\n## ")[0]
    commands = [c for c in re.findall(r"```bash\n(.*?)```", section, re.S) if "curl" in c]
    env = os.environ | {"KEY": gateway.key("p01"), "GATEWAY": gateway.url, "no_proxy": "*"}
    (tmp_path / "orders.json").write_bytes(orders(1, 3))
    assert commands
    for command in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert re.search(r"HTTP 20[02]", done.stdout), done.stdout
