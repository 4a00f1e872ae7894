"""`livewatch api` on the real Kafka and ClickHouse: from a detector's event to a decided file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from pipelines.core.detect import Grade
from pipelines.core.flags import Entity, flag_event
from tests.integration.ledger.conftest import NOW, Desk, event
from tests.unit.detect.test_dossier import spike_events

#: Status by role, for a flag of p01 in 310101 of which only the platform was told:
#: list, show, entries, evidence, ack, appeal, decide, clear, head. What is not seen does not exist.
MATRIX = {
    "commission":        (200, 200, 200, 200, 409, 403, 409, 409, 200),
    "market_regulation": (200, 200, 200, 200, 409, 403, 409, 403, 403),
    "cyberspace":        (200, 404, 404, 404, 404, 403, 403, 403, 403),
    "culture_tourism":   (200, 404, 404, 404, 403, 403, 403, 403, 403),
    "police":            (200, 404, 404, 404, 403, 403, 403, 403, 403),
    "tax":               (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "consumer_council":  (200, 200, 200, 403, 403, 403, 403, 403, 403),
    "district_bureau":   (200, 200, 200, 200, 409, 403, 403, 403, 403),
    "platform":          (200, 200, 200, 200, 409, 409, 403, 403, 403),
    "association":       (403, 403, 403, 403, 403, 403, 403, 403, 403),
    "p02":               (200, 404, 404, 404, 404, 404, 403, 403, 403),
}  # fmt: skip


def test_every_role_and_every_route(desk: Desk) -> None:
    flag = event("matrix")
    desk.raise_flag(flag)
    desk.flag(flag.flag_id)
    at, why = f"/v1/flags/{flag.flag_id}", {"why": "because"}
    # As far as appealed and decided: in state CLEARED nobody can do anything any more.
    assert desk.ask("platform", "POST", f"{at}/ack").status_code == 200
    assert desk.ask("commission", "POST", f"{at}/clear", json=why).status_code == 200
    decision = why | {"decision": "UPHELD"}
    routes = [
        ("GET", "/v1/flags", None), ("GET", at, None), ("GET", f"{at}/entries", None),
        ("GET", f"{at}/evidence", None), ("POST", f"{at}/ack", {}), ("POST", f"{at}/appeal", why),
        ("POST", f"{at}/decide", decision), ("POST", f"{at}/clear", why),
        ("GET", "/v1/ledger/head", None),
    ]  # fmt: skip
    for who, expected in MATRIX.items():
        answers = [
            desk.ask(who, m, p, **({"json": b} if b is not None else {})) for m, p, b in routes
        ]
        assert tuple(a.status_code for a in answers) == expected, who
        if expected[0] == 200:
            seen = {f["flag_id"] for f in answers[0].json()["flags"]}
            assert (flag.flag_id in seen) == (expected[1] == 200), who
    for method, path, body in routes:
        answer = desk.ask("", method, path, json=body)
        assert answer.status_code == 401
        assert flag.flag_id not in answer.text


def test_a_flags_life(desk: Desk) -> None:
    flag = event("life")
    desk.raise_flag(flag, times=3)
    found = desk.flag(flag.flag_id)
    assert (found["state"], found["level"], found["told"]) == ("OPEN", "notice", ["platform:p01"])
    assert found["figures"]["observed"] == 9.0
    desk.raise_flag(dataclasses.replace(flag, event="escalated", grade="critical", score=2.5))
    desk.until("warning", lambda: desk.flag(flag.flag_id)["level"] == "warning")
    at = f"/v1/flags/{flag.flag_id}"
    assert "district:310101" in desk.flag(flag.flag_id)["told"]

    key = {"idempotency-key": "once"}
    for _ in range(2):
        again = desk.ask("commission", "POST", f"{at}/ack", headers=dict(key))
        assert (again.status_code, again.json()["state"]) == (200, "ACKED")
    said = desk.ask("platform", "POST", f"{at}/appeal", json={"why": "打电话 13812345678"})
    assert (said.status_code, said.json()["error"]["code"]) == (422, "personal_data")
    assert "13812345678" not in said.text
    assert desk.ask("platform", "POST", f"{at}/appeal", json={"why": "重复上报"}).status_code == 200
    decision = {"decision": "OVERTURNED", "why": "counted twice"}
    same = desk.ask("commission", "POST", f"{at}/decide", json=decision)
    assert (same.status_code, same.json()["error"]["code"]) == (403, "second_person")
    done = desk.ask("wei", "POST", f"{at}/decide", json=decision).json()
    assert (done["decision"], done["decided"]["account"], done["counted"]) == (
        "OVERTURNED",
        "wei",
        False,
    )

    rows = desk.until("in the table", lambda: desk.query(
        f"SELECT kind FROM v_ledger WHERE flag_id = '{flag.flag_id}' AND kind = 'overturned'"
    ))  # fmt: skip
    assert rows == [("overturned",)]
    kinds = [e["kind"] for e in desk.ask("wei", "GET", f"{at}/entries").json()["entries"]]
    assert sorted(kinds) == sorted(
        ["opened", "level", "graded", "level", "acked", "appealed", "overturned"]
    )
    where = f"WHERE flag_id = '{flag.flag_id}'"
    assert desk.query(f"SELECT count() FROM v_flags {where}") == [(1,)]  # stays auditable
    assert desk.query(f"SELECT count() FROM v_flags_counted {where}") == [(0,)]
    assert desk.query(f"SELECT file_state, level, counted FROM v_flag_files {where}") == [
        ("OVERTURNED", "warning", 0)
    ]


def test_every_access_is_on_record(desk: Desk) -> None:
    flag = event("audit")
    desk.raise_flag(flag)
    desk.flag(flag.flag_id)
    desk.ask("p02", "GET", f"/v1/flags/{flag.flag_id}")
    desk.ask("district_bureau", "GET", f"/v1/flags/{flag.flag_id}")
    desk.ask("", "GET", "/v1/flags?state=OPEN")
    sql = (
        "SELECT account, account_role, bound_to, via, method, route, asked_flag, http_status, "
        "shown FROM v_access WHERE account IN ('p02', 'district_bureau', '') "
        "ORDER BY asked_at DESC LIMIT 3"
    )
    wanted = [
        ("", "", "", "", "GET", "/v1/flags", "", 401, 0),
        ("district_bureau", "district_bureau", "310101", "token", "GET",
         "/v1/flags/{flag_id:path}", flag.flag_id, 200, 1),
        ("p02", "platform", "p02", "token", "GET", "/v1/flags/{flag_id:path}", "", 404, 0),
    ]  # fmt: skip
    desk.until("on record", lambda: desk.query(sql) == wanted, 20)


def test_killed_with_entries_under_way(desk: Desk) -> None:
    flags = [event(f"kill{n}") for n in range(6)]
    for number, flag in enumerate(flags):
        desk.raise_flag(flag, times=2)
        if number in (1, 3):
            desk.process.kill()
            desk.process.restart()
    desk.process.wait("ready", desk.process.ready, 90)
    for flag in flags:
        desk.flag(flag.flag_id)
    some = ", ".join(f"'{f.flag_id}'" for f in flags)
    sql = (
        f"SELECT kind, count() FROM v_ledger WHERE flag_id IN ({some}) GROUP BY kind ORDER BY kind"
    )
    desk.until("each once", lambda: desk.query(sql) == [("level", 6), ("opened", 6)])


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/flags?limit=0", 422), ("/v1/flags?state=%27%3B--", 422), ("/v1/flags?before=x", 422),
        ("/v1/flags/F01:none", 404), ("/v1/nothing", 404), ("/v1/flags/%00", 404),
        ("/v1/flags?platfrom=p01", 422), ("/v1/me?x=1", 422), ("/v1/ledger/head?x", 422),
        ("/v1/flags?rule=F01&rule=F02", 422), ("/v1/flags/F01:none?x=1", 422),
    ],
)  # fmt: skip
def test_bad_input_gets_one_clear_error(desk: Desk, path: str, code: int) -> None:
    answer = desk.ask("commission", "GET", path)
    assert answer.status_code == code
    assert set(answer.json()["error"]) == {"code", "message"}


def test_passwords_and_sessions(desk: Desk) -> None:
    word = "correct horse battery"
    made = desk.cli(
        "accounts", "add", "lin", "--role", "commission", "--password-file", "-", stdin=word
    )
    assert made.returncode == 0, made.stderr
    assert word not in desk.settings.accounts_file.read_text()
    base = f"http://127.0.0.1:{desk.process.port}/v1"
    import httpx

    with httpx.Client(timeout=60, trust_env=False) as client:
        assert client.get(f"{base}/me", auth=("lin", "wrong")).status_code == 401
        assert client.get(f"{base}/me", auth=("nobody", word)).status_code == 401
        assert client.get(f"{base}/me", auth=("lin", word)).json()["role"] == "commission"
        # A header that only the proxy may send, from somebody who is not the proxy.
        assert client.get(f"{base}/me", headers={"x-livewatch-account": "lin"}).status_code == 401
        secret = client.post(f"{base}/session", auth=("lin", word)).json()["secret"]
        bearer = {"authorization": f"Bearer {secret}"}
        assert client.get(f"{base}/me", headers=bearer).json()["account"] == "lin"
        assert desk.cli("accounts", "disable", "lin").returncode == 0
        assert client.get(f"{base}/me", headers=bearer).status_code == 401
        assert client.get(f"{base}/me", auth=("lin", word)).status_code == 401


def test_the_commands(desk: Desk) -> None:
    flag = event("cli")
    desk.raise_flag(flag)
    desk.flag(flag.flag_id)
    listed = desk.cli("flags", "list", "--json")
    assert flag.flag_id in {json.loads(line)["flag_id"] for line in listed.stdout.splitlines()}
    shown = json.loads(desk.cli("flags", "show", flag.flag_id, "--json").stdout)
    assert [e["kind"] for e in shown["entries"]] == ["opened", "level"]
    assert shown["figures"]["sentence_zh"] == "投诉偏多"
    word = "correct horse battery"
    assert desk.cli("accounts", "add", "max", "--role", "commission", "--password-file", "-", stdin=word).returncode == 0  # fmt: skip  # noqa: E501
    no = desk.cli(
        "flags", "ack", flag.flag_id, "--account", "max", "--password-file", "-", stdin="x"
    )
    assert (no.returncode, len(no.stderr.splitlines())) == (1, 1)
    yes = desk.cli(
        "flags", "ack", flag.flag_id, "--account", "max", "--password-file", "-", stdin=word
    )
    assert yes.stdout.strip() == f"{flag.flag_id} ACKED", yes.stderr
    assert desk.flag(flag.flag_id)["acked"]["account"] == "max"  # the API sees what others append


def test_the_evidence_of_a_flag(desk: Desk, tmp_path: Path) -> None:
    told = next(e for e in spike_events() if e.series == 3 and e.evidence and e.grade > Grade.WATCH)
    entity = Entity("merchant", "evidence<b>", "p01", "food", "310101")
    # Its bins are of 1970, and rows of then are past their retention.
    flag = dataclasses.replace(flag_event(told, entity, NOW, NOW), onset=NOW)
    desk.raise_flag(flag)
    desk.flag(flag.flag_id)
    out = tmp_path / "flag.json"
    done = desk.cli("flags", "evidence", flag.flag_id, "--out", str(out))
    assert done.returncode == 0, done.stderr + done.stdout
    (decision,) = json.loads(out.read_text())["decisions"]
    assert decision["recomputed"] == {"score": flag.score, "difference": 0.0, "agrees": True}
    assert decision["ledger_entry"] is not None
    assert sum(one["observed"] for one in decision["window"][1:]) == flag.observed
    page = desk.ask("platform", "GET", f"/v1/flags/{quote(flag.flag_id)}/evidence?format=html").text
    assert "<svg" in page
    assert flag.sentence_zh[:10] in page
    assert "evidence<b>" not in page
    where = f"WHERE flag_id = '{flag.flag_id}'"
    sync = "SETTINGS mutations_sync = 2"
    desk.query(f"ALTER TABLE flag_events UPDATE score = score + 0.001 {where} {sync}")
    again = desk.cli("flags", "evidence", flag.flag_id, "--out", str(out))
    assert (again.returncode, "1 that do not agree" in again.stdout) == (1, True)
    desk.query(f"ALTER TABLE flag_events UPDATE score = {flag.score!r} {where} {sync}")


def test_verify_finds_what_was_tampered_with(desk: Desk) -> None:
    flag = event("tampered")
    desk.raise_flag(flag)
    desk.flag(flag.flag_id)
    whole = desk.cli("flags", "verify", "--json")
    assert whole.returncode == 0, whole.stdout
    head = json.loads(whole.stdout)["head"]
    assert desk.cli("flags", "verify", "--anchor", head).returncode == 0
    number, _, hash_ = head.partition(":")
    assert desk.cli("flags", "verify", "--anchor", f"{number}:{hash_[::-1]}").returncode == 1

    ((seq,),) = desk.query(
        f"SELECT seq FROM v_ledger WHERE flag_id = '{flag.flag_id}' AND kind = 'opened'"
    )
    sync = "SETTINGS mutations_sync = 2"
    desk.query(f"ALTER TABLE ledger UPDATE why = 'nothing' WHERE seq = {seq} {sync}")
    found = json.loads(desk.cli("flags", "verify", "--json").stdout)["findings"]
    assert {(f["where"], f["seq"]) for f in found} == {("table", seq)}
    desk.query(f"ALTER TABLE ledger DELETE WHERE seq = {seq} {sync}")
    found = json.loads(desk.cli("flags", "verify", "--json").stdout)["findings"]
    assert {"table"} == {f["where"] for f in found}
    assert any("missing" in f["what"] for f in found)
    desk.query(
        f"ALTER TABLE flag_events UPDATE observed = 99 WHERE flag_id = '{flag.flag_id}' {sync}"
    )
    assert desk.cli("flags", "refill").returncode == 0
    found = json.loads(desk.cli("flags", "verify", "--json").stdout)["findings"]
    assert [(f["where"], f["seq"]) for f in found] == [("flag_events", seq)]


def test_verify_finds_a_forged_event_and_refill_mends_a_row_of_any_version(desk: Desk) -> None:
    for name in ("forged-1", "forged-2"):
        desk.raise_flag(event(name))
        desk.flag(event(name).flag_id)
    sync = "SETTINGS mutations_sync = 2"
    desk.query(
        "INSERT INTO ledger SELECT seq, entry_id, flag_id, kind, at, actor, role, 'nothing' AS w, "
        "details, prev, hash, version + 86400000000 FROM ledger WHERE seq = 0 LIMIT 1"
    )
    found = json.loads(desk.cli("flags", "verify", "--json").stdout)["findings"]
    assert ("table", 0) in {(f["where"], f["seq"]) for f in found}
    assert desk.cli("flags", "refill").returncode == 0
    found = json.loads(desk.cli("flags", "verify", "--json").stdout)["findings"]
    assert [f for f in found if f["where"] == "table"] == []

    desk.query(
        "INSERT INTO flag_events SELECT * REPLACE('F01:merchant/p02/forged:1' AS flag_id, "
        "toDateTime64('2026-01-01', 3, 'UTC') AS decided_at) FROM flag_events "
        "WHERE event = 'opened' AND grade = 'raised' LIMIT 1"
    )
    done = desk.cli("flags", "verify", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["findings"]
    assert [f["what"] for f in found if "forged:1" in f["what"]]
    desk.query(f"ALTER TABLE flag_events DELETE WHERE flag_id LIKE '%forged:1' {sync}")
