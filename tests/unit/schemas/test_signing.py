"""Signatures and keys: what is signed cannot be changed; who may sign for whom, and when."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.errors import ContractError
from schemas.identity import BatchHeader, BatchIdentity, from_headers, to_headers
from schemas.keys import (
    Delegation,
    KeyRegistry,
    PublicKey,
    RegistryFile,
    load_registry,
    save_registry,
)
from schemas.signing import KEY_HEADER, SIGNATURE_HEADER, Signer, canonical, key_id_of, verify
from schemas.telemetry import SampleType

TOPIC = SampleType.VIEWERS.topic
HEADERS = to_headers(BatchHeader(BatchIdentity("p01", "gate-1", 4, TOPIC, 2, 9), 3, 1, 5_000))
SIGNER = Signer.from_seed(bytes(range(32)))
SIGNED = SIGNER.sign(TOPIC, 2, HEADERS, b"rows")


def test_the_canonical_string_is_what_the_contract_says() -> None:
    got = canonical("t", 7, [("b", b"2\n3"), ("a", b"1"), (SIGNATURE_HEADER, b"x")], b"\x00v")
    assert got == b"livewatch-batch-v1\nt\n7\na:1:1\nb:3:2\n3\n\n\x00v"


def test_the_key_is_that_of_rfc_8032() -> None:
    # RFC 8032, section 7.1, test 2: secret key, public key, message 0x72, signature.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    signer = Signer.from_seed(seed)
    assert signer.public_key.hex() == public
    assert signer.sign_bytes(b"\x72").hex() == signature


def check(
    headers: list[tuple[str, bytes]], value: bytes, topic: str = TOPIC, partition: int = 2
) -> None:
    verify(SIGNER.public_key, dict(headers)[SIGNATURE_HEADER], topic, partition, headers, value)


def test_a_signed_record_verifies_and_its_headers_still_read() -> None:
    check(SIGNED, b"rows")
    check(SIGNED[::-1], b"rows")  # Kafka keeps the order, other carriers may not
    assert from_headers(SIGNED, TOPIC, 2) == from_headers(HEADERS, TOPIC, 2)
    assert dict(SIGNED)[KEY_HEADER].decode() == key_id_of(SIGNER.public_key)


@pytest.mark.parametrize("name", [n for n, _ in SIGNED])
def test_no_header_can_be_changed_or_left_out(name: str) -> None:
    changed = [(n, v if n != name else v[:-1] + bytes([v[-1] ^ 1])) for n, v in SIGNED]
    with pytest.raises(ContractError):
        check(changed, b"rows")
    if name != SIGNATURE_HEADER:
        with pytest.raises(ContractError):
            check([(n, v) for n, v in SIGNED if n != name], b"rows")


def test_nothing_else_can_be_changed() -> None:
    for args in ((b"Rows", TOPIC, 2), (b"rows", "other", 2), (b"rows", TOPIC, 3)):
        with pytest.raises(ContractError):
            check(SIGNED, *args)
    with pytest.raises(ContractError):
        check([*SIGNED, ("ce_final", b"true")], b"rows")
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(ContractError):
        verify(other, dict(SIGNED)[SIGNATURE_HEADER], TOPIC, 2, SIGNED, b"rows")


@pytest.mark.parametrize("signature", [b"", b"not base64!", base64.b64encode(b"short"), b"\xff"])
def test_a_signature_that_is_none_is_refused(signature: bytes) -> None:
    with pytest.raises(ContractError) as error:
        verify(SIGNER.public_key, signature, TOPIC, 2, SIGNED, b"rows")
    assert error.value.field == SIGNATURE_HEADER


KEY = PublicKey("platform/p01", SIGNER.public_key.hex(), 1_000, 2_000)
GATEWAY = PublicKey("gateway/gw-1", Signer.from_seed(bytes(32)).public_key.hex())
REGISTRY = (
    KeyRegistry()
    .with_key(KEY)
    .with_key(GATEWAY)
    .with_delegation(Delegation("p02", GATEWAY.key_id, 1_000, 2_000, revoked_ms=1_500))
)


@pytest.mark.parametrize(
    ("key_id", "platform", "at_ms", "good"),
    [
        (KEY.key_id, "p01", 1_000, True),
        (KEY.key_id, "p01", 1_999, True),
        (KEY.key_id, "p01", 999, False),
        (KEY.key_id, "p01", 2_000, False),
        (KEY.key_id, "p02", 1_500, False),
        ("0" * 16, "p01", 1_500, False),
        (GATEWAY.key_id, "p02", 1_499, True),
        (GATEWAY.key_id, "p02", 1_500, False),
        (GATEWAY.key_id, "p02", 999, False),
        (GATEWAY.key_id, "p01", 1_200, False),
    ],
)
def test_who_may_sign_for_whom_and_when(key_id: str, platform: str, at_ms: int, good: bool) -> None:
    if good:
        assert REGISTRY.signer(key_id, platform, at_ms).key_id == key_id
    else:
        with pytest.raises(ContractError, match="ce_keyid"):
            REGISTRY.signer(key_id, platform, at_ms)


def test_a_revocation_is_seen_at_once_and_explains_old_records(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    save_registry(path, REGISTRY)
    file = RegistryFile(path)
    assert file.current() == REGISTRY
    revoked = PublicKey(KEY.owner, KEY.public_key, 1_000, 2_000, revoked_ms=1_700)
    save_registry(path, file.current().with_key(revoked))
    assert file.current().signer(KEY.key_id, "p01", 1_699).revoked_ms == 1_700
    with pytest.raises(ContractError, match="revoked"):
        file.current().signer(KEY.key_id, "p01", 1_700)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version":1,"keys":[{}]}'])
def test_a_file_that_is_no_registry_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"keys\.json"):
        load_registry(path)
