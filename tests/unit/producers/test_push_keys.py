"""Keys from the platform's hand to the regulator's registry, by the two programs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from deploy import cli as operator
from producers import cli as platform
from producers.errors import UsageError
from producers.gateway.api_keys import ApiKeyFile, new_key
from producers.keys.files import load_signer
from schemas.errors import ContractError
from schemas.keys import FOR_EVER_MS, RegistryFile


class Desk:
    """Runs commands in a directory; says the exit code and what was printed."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at: Path
    ) -> None:
        monkeypatch.chdir(at)
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def _call(self, main: Any, name: str, words: str, stdin: str) -> tuple[int, str]:
        self._monkeypatch.setattr("sys.argv", [name, *words.split()])
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as stopped:
            main()
        said = self._capsys.readouterr()
        code = stopped.value.code
        return (code if isinstance(code, int) else 0), said.out + said.err

    def push(self, words: str) -> tuple[int, str]:
        return self._call(platform.main, "livewatch-push", words, "")

    def regulator(self, words: str, stdin: str = "") -> tuple[int, str]:
        return self._call(operator.main, "livewatch", words, stdin)


@pytest.fixture
def desk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Desk:
    # No stack of whoever runs this: its registry would be written to.
    monkeypatch.setenv("LIVEWATCH_HOME", str(tmp_path / "no-stack"))
    return Desk(monkeypatch, capsys, tmp_path)


def made(desk: Desk, name: str, owner: str) -> dict[str, Any]:
    code, out = desk.push(f"keys create {name}.pem --owner {owner}")
    assert code == 0
    document: dict[str, Any] = json.loads(out)
    assert desk.regulator("keys register -", out)[0] == 0
    return document


def test_a_private_key_is_for_its_owner_only_and_never_overwritten(desk: Desk) -> None:
    document = made(desk, "p01", "platform/p01")
    path = Path("p01.pem")
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signer(path).key_id == document["key_id"]
    assert json.loads(desk.push("keys show p01.pem --owner platform/p01")[1]) == document
    code, said = desk.push("keys create p01.pem --owner platform/p01")
    assert (code, "never overwritten" in said) == (2, True)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        load_signer(path)


def test_a_delegation_goes_from_the_platform_to_the_registry(desk: Desk) -> None:
    made(desk, "p01", "platform/p01")
    gateway = made(desk, "gw", "gateway/gw-1")["key_id"]
    registry = RegistryFile(Path("keys.json"))
    with pytest.raises(ContractError, match="delegation"):
        registry.current().signer(gateway, "p01", 5)
    code, document = desk.push(f"keys delegate --key p01.pem --platform p01 --to {gateway}")
    assert code == 0
    assert desk.regulator("keys delegate -", document)[0] == 0
    assert registry.current().signer(gateway, "p01", 5).owner == "gateway/gw-1"
    with pytest.raises(ContractError, match="delegation"):
        registry.current().signer(gateway, "p02", 5)
    assert desk.regulator(f"keys revoke {gateway} --platform p01")[0] == 0
    with pytest.raises(ContractError, match="delegation"):
        registry.current().signer(gateway, "p01", 1 << 50)
    assert "revoked" in desk.regulator("keys list")[1]


@pytest.mark.parametrize("change", ["platform_id", "key_id", "not_after_ms", "signature"])
def test_a_changed_delegation_is_refused(desk: Desk, change: str) -> None:
    made(desk, "p01", "platform/p01")
    made(desk, "p02", "platform/p02")
    gateway = made(desk, "gw", "gateway/gw-1")["key_id"]
    other = made(desk, "g2", "gateway/gw-2")["key_id"]
    document = json.loads(
        desk.push(f"keys delegate --key p01.pem --platform p01 --to {gateway}")[1]
    )
    forged = {"platform_id": "p02", "key_id": other, "not_after_ms": 5, "signature": "AAAA"}
    code, said = desk.regulator("keys delegate -", json.dumps(document | {change: forged[change]}))
    assert code == 2
    assert "sign" in said


def test_two_keys_at_once_rotate_without_a_pause_and_a_revoked_one_stays_out(desk: Desk) -> None:
    old = made(desk, "old", "platform/p01")
    new = made(desk, "new", "platform/p01")["key_id"]
    registry = RegistryFile(Path("keys.json"))
    for key in (old["key_id"], new):
        registry.current().signer(key, "p01", 1 << 41)
    assert desk.regulator(f"keys revoke {old['key_id']}")[0] == 0
    registry.current().signer(new, "p01", 1 << 50)
    with pytest.raises(ContractError, match="revoked"):
        registry.current().signer(old["key_id"], "p01", 1 << 50)
    registry.current().signer(old["key_id"], "p01", 5)  # what it signed before stays good
    code, said = desk.regulator("keys register -", json.dumps(old))
    assert (code, "never comes back" in said) == (2, True)


@pytest.mark.parametrize(
    ("words", "stdin", "error"),
    [
        ("keys register -", "{}", "is not a PublicKey document"),
        ("keys register -", "[]", "is not a PublicKey document"),
        ("keys register -", '{"owner": "me", "public_key": "00"}', "owner must be"),
        ("keys register -", '{"owner": "platform/p01", "public_key": "00"}', "64 hex digits"),
        ("keys register nothing.json", "", "No such file"),
        ("keys revoke 0000000000000000", "", "has no key"),
        ("keys list", "", "keys.json"),
    ],
)
def test_a_mistake_of_the_operator_is_one_line(
    desk: Desk, words: str, stdin: str, error: str
) -> None:
    code, said = desk.regulator(words, stdin)
    assert code == 2
    assert error in said
    assert said.count("\n") == 1


def test_api_keys_are_kept_as_hashes_and_open_one_platform(desk: Desk) -> None:
    text = desk.push("gateway-keys create --platform p01 --note shop")[1].strip()
    stored = Path("gateway-keys.json")
    assert stored.stat().st_mode & 0o777 == 0o600
    assert text.split("_", 2)[2] not in stored.read_text()
    keys = ApiKeyFile(stored)
    now = 1 << 41
    assert keys.platform_of(text, now) == "p01"
    assert keys.platform_of(text[:-1] + ("0" if text[-1] != "0" else "1"), now) is None
    assert keys.platform_of(f"lw_{'0' * 16}_{'0' * 64}", now) is None
    assert keys.platform_of("", now) is None
    second = desk.push("gateway-keys create --platform p01")[1].strip()
    assert desk.push(f"gateway-keys revoke {text.split('_')[1]}")[0] == 0
    assert keys.platform_of(text, now) is None  # at once, without a restart
    assert keys.platform_of(second, now) == "p01"
    listed = desk.push("gateway-keys list")[1]
    assert "revoked" in listed
    assert "shop" in listed


def test_an_api_key_has_its_time() -> None:
    key, _ = new_key("p01", "", 1_000, 2_000)
    assert [key.valid(at) for at in (999, 1_000, 1_999, 2_000)] == [False, True, True, False]
    assert key.not_after_ms < FOR_EVER_MS
    with pytest.raises(UsageError, match="--until"):
        new_key("p01", "", 5, 5)
