"""Signatures against the published example of the specification, and what must not pass."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest

from pipelines.alerts.errors import AlertsError
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.signature import headers, key_of, new_secret, sign, verify

# From the documentation of Svix, whose scheme Standard Webhooks took over.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    assert sign(key_of(SECRET), ID, AT, BODY) == SIGNATURE


def test_only_what_was_signed_passes() -> None:
    key = key_of(new_secret())
    told = headers([key], "e1", 1_000_000, b"{}")
    assert verify(key, told, b"{}", 1_000_200)
    two = {"webhook-signature": "v1,AAAA " + told["webhook-signature"]}
    assert verify(key, told | two, b"{}", 1_000_000)
    assert not verify(key, told, b"{ }", 1_000_000)
    assert not verify(key, told, b"{}", 1_000_301)
    assert not verify(key, told | {"webhook-id": "e2"}, b"{}", 1_000_000)
    assert not verify(key, told | {"webhook-timestamp": "1000001"}, b"{}", 1_000_000)
    assert not verify(key, told | {"webhook-timestamp": "x"}, b"{}", 1_000_000)
    assert not verify(key_of(new_secret()), told, b"{}", 1_000_000)
    assert not verify(key, {}, b"{}", 1_000_000)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_YQ==", "whsec_%%%"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"secret|bytes"):
        key_of(secret)


@pytest.mark.skipif(which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_the_same_signature() -> None:
    told = headers([key_of(SECRET)], ID, AT, BODY)
    signed = f"{told['webhook-id']}.{told['webhook-timestamp']}.".encode() + BODY
    hmac = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-binary"]
    hmac += ["-macopt", f"hexkey:{key_of(SECRET).hex()}"]
    digest = subprocess.run(hmac, input=signed, capture_output=True, check=True).stdout
    text = subprocess.run(["openssl", "base64"], input=digest, capture_output=True, check=True)
    assert told["webhook-signature"] == "v1," + text.stdout.decode().strip()


def test_while_a_secret_is_changed_both_verify(tmp_path: Path) -> None:
    new, old = new_secret(), new_secret()
    path = tmp_path / "key"
    path.write_text(f"{new}\n{old}\n")
    told = headers(Receiver("a", "", path, frozenset()).keys(), "e1", 1_000_000, b"{}")
    for secret in (new, old):
        assert verify(key_of(secret), told, b"{}", 1_000_000)
    assert not verify(key_of(new_secret()), told, b"{}", 1_000_000)
    path.write_text(f"{new}\nwhsec_%%\n")
    with pytest.raises(AlertsError, match="is not a secret"):
        Receiver("a", "", path, frozenset()).keys()
