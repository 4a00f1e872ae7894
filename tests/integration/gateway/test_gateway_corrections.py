"""Corrections by HTTP, on the real app and a real spool; no Kafka is needed to accept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from deploy.check import http_fuzz
from producers.gateway.api_keys import ApiKeyFile, new_key
from producers.gateway.limits import LimitPolicy, Limits
from schemas.identity import BatchHeader, from_headers
from schemas.keys import FOR_EVER_MS
from tests.integration.gateway.harness import order, orders

pytestmark = pytest.mark.integration
PATH = "/v1/corrections/orders"
SESSION = f"{1:032x}"
SPAN = {"session_id": SESSION, "from": 0, "to": 10**14}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with http_fuzz.app_under_test(tmp_path) as (app, key):
        yield TestClient(app, headers=_bearer(key))


@pytest.fixture
def other(client: TestClient, tmp_path: Path) -> TestClient:
    """Another platform at the same gateway."""
    entry, key = new_key("p02", "", 0, FOR_EVER_MS)
    ApiKeyFile(tmp_path / "keys.json").add(entry)
    return TestClient(client.app, headers=_bearer(key))


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def sent(client: TestClient, *rows: dict[str, Any]) -> list[str]:
    """The ids of the batches that hold the rows."""
    answer = client.post("/v1/samples/orders", json=list(rows))
    assert answer.status_code == 202
    assert sum(b["rows"] for b in answer.json()["batches"]) == len(rows)
    return [b["id"] for b in answer.json()["batches"]]


def correct(client: TestClient, supersedes: Any, **more: Any) -> httpx.Response:
    body = {"supersedes": supersedes, "reason": "miscounted"} | more
    return client.post(PATH, json=body)


def spooled(client: TestClient) -> list[BatchHeader]:
    reader = client.app.state.gateway.reader  # type: ignore[attr-defined]
    stored = [s.batch for s in reader.after(0, 9999)]
    return [from_headers(b.headers, b.topic, b.partition) for b in stored]


def corrections(client: TestClient) -> list[BatchHeader]:
    return [h for h in spooled(client) if h.supersedes]


def test_a_request_is_withdrawn_or_replaced_by_the_batches_of_its_answer(
    client: TestClient,
) -> None:
    ids = sent(client, *(order(n) for n in range(1, 30)))
    assert len(ids) > 4
    answer = correct(client, {"batches": ids}, rows=[order(3, orders=77), order(4, orders=78)])
    assert answer.status_code == 202, answer.text
    assert (answer.json()["accepted"], len(answer.json()["batches"])) == (2, len(ids))
    made = corrections(client)
    named = [
        f"p01/gw-fuzz/{h.identity.epoch}/{h.identity.topic}/{h.identity.partition}"
        f"/{h.supersedes.rpartition('/')[2]}"
        for h in made
    ]
    assert named == ids
    assert sum(h.rows for h in made) == 2
    again = correct(client, {"batches": [b["id"] for b in answer.json()["batches"]]})
    assert again.status_code == 202, "a correction is corrected in the same way"


def test_what_a_session_sent_is_withdrawn_without_saying_whether_it_exists(
    client: TestClient, other: TestClient
) -> None:
    sent(other, order(1))
    answers = [
        correct(c, SPAN | {"session_id": s}) for c in (client, other) for s in (SESSION, "f" * 32)
    ]
    said = [a.json() | {"batches": len(a.json()["batches"])} for a in answers]
    assert said == [{"accepted": 0, "refused": 0, "rows": [], "batches": 1}] * 4
    made = corrections(client)
    assert [h.identity.platform_id for h in made] == ["p01", "p01", "p02", "p02"]
    assert made[0].supersedes == f"session/{SESSION}/0/{10**14}"


def test_a_platform_names_its_own_batches_only(client: TestClient, other: TestClient) -> None:
    theirs = sent(other, order(1))[0]
    never = theirs.rpartition("/")[0] + "/999999"
    sent(client, order(1), order(1))  # the same numbers, of one's own
    mine = theirs.replace("p02", "p01")
    refused = [correct(client, {"batches": [i]}) for i in (theirs, never, mine + "9")]
    assert {(r.status_code, r.text) for r in refused} == {(404, refused[0].text)}
    assert refused[0].json() == {"error": {"field": "batches[0]", "rule": "is not known"}}
    assert correct(client, {"batches": [*sent(client, order(2)), never]}).status_code == 404
    assert corrections(client) == [], "whole or not at all"
    assert correct(other, {"batches": [theirs]}).status_code == 202
    assert {h.identity.platform_id for h in corrections(client)} == {"p02"}


def test_requests_at_once_share_batches_unless_they_ask_to_be_apart(client: TestClient) -> None:
    headers = dict(client.headers)

    async def at_once(**params: str) -> list[Any]:
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://g", headers=headers
        ) as many:
            path = "/v1/samples/orders"
            work = [many.post(path, params=params, json=[order(1)]) for _ in range(12)]
            return [a.json()["batches"][0] for a in await asyncio.gather(*work)]

    together = asyncio.run(at_once())
    times = Counter(b["id"] for b in together)
    assert all(b["rows"] == 1 and b["shared"] is (times[b["id"]] > 1) for b in together)
    apart = asyncio.run(at_once(apart="true"))
    assert len({b["id"] for b in apart}) == 12
    assert not any(b["shared"] for b in apart)


def test_a_retry_corrects_once_and_another_body_is_told(client: TestClient) -> None:
    key = {"Idempotency-Key": "c1"}
    body: dict[str, Any] = {"supersedes": SPAN, "reason": "duplicate"}
    first, second = (client.post(PATH, json=body, headers=key) for _ in range(2))
    assert first.content == second.content
    assert second.headers["idempotent-replay"] == "true"
    assert len(corrections(client)) == 1
    for path, other in ((PATH, body | {"reason": "other"}), ("/v1/corrections/viewers", body)):
        assert client.post(path, json=other, headers=key).status_code == 409
    assert client.get("/v1/receipts/c1").json()["answer"] == first.json()


def test_limits_hold_for_corrections(client: TestClient) -> None:
    gateway = client.app.state.gateway  # type: ignore[attr-defined]
    gateway.limits = Limits(
        LimitPolicy(rows_per_s=2, corrections_per_s=2, burst_s=1, max_body=3_000)
    )
    rows = [order(1), order(1)]
    assert correct(client, SPAN, rows=rows).status_code == 202
    assert correct(client, SPAN, rows=rows).status_code == 429, "too many rows"
    slow = correct(client, SPAN)
    assert (slow.status_code, slow.headers["retry-after"]) == (429, "1"), "too many corrections"
    assert len(corrections(client)) == 1
    assert client.post(PATH, content=b" " * 3_001, headers=JSON).status_code == 413
    assert client.post(PATH, content=b"{}", headers={"Content-Type": "text/csv"}).status_code == 415
    assert client.post("/v1/corrections/nothing", json={}).status_code == 404
    assert TestClient(client.app).post(PATH, json={}).status_code == 401


JSON = {"Content-Type": "application/json"}


def test_names_outlive_a_restart(tmp_path: Path) -> None:
    with http_fuzz.app_under_test(tmp_path) as (app, key):
        ids = sent(TestClient(app, headers=_bearer(key)), order(1))
    with http_fuzz.app_under_test(tmp_path) as (app, key):
        client = TestClient(app, headers=_bearer(key))
        assert correct(client, {"batches": ids}).status_code == 202
        made = corrections(client)[0]
        epoch, sequence = made.supersedes.split("/")[1:]
        assert made.identity.epoch > int(epoch)
        assert ids[0].endswith(f"/{sequence}")


def test_what_cannot_be_written_withdraws_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from producers.gateway.store import Store

    ids = sent(client, order(1))

    def broken(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as failing:
        failing.setattr(Store, "commit", broken)
        assert correct(client, {"batches": ids}).status_code == 503
        lost = client.post("/v1/samples/orders", content=orders(2, 1), headers=JSON)
        assert lost.status_code == 503
    assert corrections(client) == []
    assert correct(client, {"batches": ids}).status_code == 202
