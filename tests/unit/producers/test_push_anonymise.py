"""Pseudonyms, the secret, the linkage; what the detectors find, and what they leave alone."""

from __future__ import annotations

import doctest
import hashlib
import hmac
import json
import pickle
from pathlib import Path

import pytest

from producers.anonymise import (
    KEY_EPOCH_MS,
    Pseudonyms,
    Secret,
    key_epoch_at,
    link,
    pseudonyms,
    random_id,
    read_linkage,
    secret,
    write_linkage,
)
from producers.anonymise.pseudonyms import DOMAINS
from producers.errors import UsageError
from schemas.errors import ContractError
from schemas.personal import kinds_in, pseudonym_fault, public_id_fault
from schemas.signing import Signer

NOW = 1_800_000_000_000
KEY = b"0123456789abcdef0123456789abcdef"


def test_pseudonyms_differ_by_domain_epoch_and_secret_and_are_stable() -> None:
    made = {
        Pseudonyms(Secret(key), epoch).make(domain, "13812345678")
        for key in (KEY, KEY[::-1])
        for epoch in (25, 26)
        for domain in DOMAINS
    }
    assert len(made) == 16
    again = Pseudonyms(Secret(KEY), 25).make("room", "13812345678")
    # The published recipe, so that another language can make the same.

    message = b"livewatch-pseudonym-v1\nroom\n25\n0\n13812345678"
    assert again == hmac.new(KEY, message, hashlib.sha256).hexdigest()[:32]


def test_the_key_epoch_changes_every_ninety_days() -> None:
    assert key_epoch_at(NOW + KEY_EPOCH_MS) == key_epoch_at(NOW) + 1


@pytest.mark.parametrize("raw", ["", "x" * 513, 13812345678, None])
def test_a_bad_raw_id_is_refused_without_being_repeated(raw: object) -> None:
    with pytest.raises(ValueError, match="must be a text of 1 to 512") as told:
        Pseudonyms(Secret(KEY), 1).make("room", raw)  # type: ignore[arg-type]
    assert "138" not in str(told.value)


def test_a_secret_shows_itself_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(KEY + b"\n")
    file.chmod(0o640)
    with pytest.raises(UsageError, match="read by others"):
        Secret.from_file(file)
    file.chmod(0o600)
    kept = Secret.from_file(file)
    assert kept.reveal() == KEY
    assert KEY.decode() not in f"{kept} {kept!r} {Pseudonyms(kept, 1)!r}"
    with pytest.raises(TypeError):
        pickle.dumps(kept)
    with pytest.raises(UsageError, match="at least 32 bytes"):
        Secret(b"short")


def test_the_secret_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEWATCH_PUSH_SECRET", KEY.decode())
    assert Secret.from_environment().reveal() == KEY
    monkeypatch.delenv("LIVEWATCH_PUSH_SECRET")
    with pytest.raises(UsageError, match="LIVEWATCH_PUSH_SECRET: is not set"):
        Secret.from_environment()


def test_a_linkage_joins_two_epochs_for_thirty_days() -> None:
    old, new = Pseudonyms(Secret(KEY), 25), Pseudonyms(Secret(KEY), 26)
    signer = Signer.from_seed(KEY)
    linkage = link("p01", "merchant", old, new, ["shop-1", "shop-2"], NOW)
    document = write_linkage(linkage, signer)
    assert b"shop" not in document
    assert read_linkage(document, "p01", signer.public_key, NOW + 1) == linkage
    assert linkage.pairs[0] == (old.make("merchant", "shop-1"), new.make("merchant", "shop-1"))
    month = 30 * 24 * 3600 * 1000
    with pytest.raises(ContractError, match="expires_ms"):
        read_linkage(document, "p01", signer.public_key, NOW + month)
    with pytest.raises(ContractError, match="platform_id"):
        read_linkage(document, "p02", signer.public_key, NOW)
    with pytest.raises(ContractError, match="key_id"):
        read_linkage(document, "p01", Signer.from_seed(KEY[::-1]).public_key, NOW)
    outer = json.loads(document)
    outer["linkage"] = outer["linkage"].replace('"new_epoch":26', '"new_epoch":27')
    with pytest.raises(ContractError, match="signature"):
        read_linkage(json.dumps(outer).encode(), "p01", signer.public_key, NOW)
    for broken in (b"", b"[]", b"{}", b"\xff"):
        with pytest.raises(ContractError):
            read_linkage(broken, "p01", signer.public_key, NOW)
    with pytest.raises(ValueError, match="next"):
        link("p01", "merchant", old, old, [], NOW)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("13812345678", "phone"),
        ("+86 138-1234-5678", "phone"),
        ("１３８１２３４５６７８", "phone"),
        ("一三八一二三四五六七八", "phone"),
        ("1\u200b38 1234\u200b5678", "phone"),
        ("021-62345678", "phone"),
        ("(010) 6234 5678", "phone"),
        ("11010519491231002X", "id_number"),
        ("110105 19491231 002x", "id_number"),
        ("110105491231002", "id_number"),
        ("6222 0212 3456 7890 128", "bank_card"),
        ("a.b@qq.com", "email"),
        ("ab (at) qq (dot) com", "email"),
        ("192.168.1.1", "ip"),
        ("fe80::1ff:fe23:4567:890a", "ip"),
        ("上海市黄浦区南京西路20号3室", "address"),
        ("世纪大道100号", "address"),
        ("王伟", "name"),
        ("欧阳娜娜", "name"),
        ("Zhang Wei", "name"),
    ],
)
def test_personal_data_is_found(text: str, kind: str) -> None:
    assert kind in kinds_in(text)


@pytest.mark.parametrize(
    "text", ["food", "310115", "C0301", "base-310115-003", "2026-11-25", "livewatch", "双11", ""]
)
def test_what_is_not_personal_is_left_alone(text: str) -> None:
    assert kinds_in(text) == ()


@pytest.mark.parametrize(
    "text",
    ["13812345678", "138-1234-5678", "a138-1234-5678", "021-6234-5678", "6234-5678", "62345678",
     "11010519491231002x", "10-0-0-1", "aa-bb-cc-dd-ee-ff", "zhangsan-qq-com", "l38-ol23-4567",
     "zhang-at-corp-cn", "d41d8cd98f00b204e9800998ecf8427e"],
)  # fmt: skip
def test_a_public_id_cannot_hold_personal_data(text: str) -> None:
    assert public_id_fault(text) is not None


@pytest.mark.parametrize(
    "text", ["hongqiao-01", "base-310115-003", "west-bund-2024", "sh-pudong-2024-0012", "m50"]
)
def test_a_public_id_may_be_a_public_id(text: str) -> None:
    assert public_id_fault(text) is None


@pytest.mark.parametrize(
    "text",
    ["13812345678".rjust(32, "0"), "13812345678".ljust(32, "f"), ("13812345678" * 3)[:32],
     "1" * 32, "110105194912310029".rjust(32, "7"), b"13812345678".hex().ljust(32, "0"),
     b"zhang@qq.com1234".hex(), "ab12cd110105199003071239ef56ab12"],
)  # fmt: skip
def test_a_pseudonym_must_be_random(text: str) -> None:
    assert len(text) == 32
    assert pseudonym_fault(text) is not None


def test_random_ids_are_random() -> None:
    weak = iter(["0" * 32, "1" * 32, "9f86d081884c7d659a2feaa0c55ad015"])
    assert random_id(lambda: next(weak)) == "9f86d081884c7d659a2feaa0c55ad015"
    assert all(pseudonym_fault(random_id()) is None for _ in range(1000))


def test_the_examples_in_the_docstrings_hold() -> None:
    for module in (secret, pseudonyms):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0
