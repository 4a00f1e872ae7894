"""A linkage: which old pseudonym is which new one, when the key epoch changes.

Optional, signed by the platform's key, and good for 30 days: windows and baselines carry over,
and after that nothing joins the two epochs. Whoever receives it must delete it by `expires_ms`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from producers.anonymise.pseudonyms import DOMAINS, Pseudonyms
from schemas.errors import ContractError
from schemas.signing import Signer, key_id_of

KEPT_MS = 30 * 24 * 3600 * 1000
_PREFIX = b"livewatch-linkage-v1\n"


@dataclass(frozen=True, slots=True)
class Linkage:
    """`pairs` are (old, new) pseudonyms of one domain. Times are ms since epoch."""

    platform_id: str
    domain: str
    old_epoch: int
    new_epoch: int
    issued_ms: int
    expires_ms: int
    pairs: tuple[tuple[str, str], ...]


def link(
    platform_id: str,
    domain: str,
    old: Pseudonyms,
    new: Pseudonyms,
    raws: Iterable[str],
    now_ms: int,
) -> Linkage:
    """The linkage of some raw ids. Raises ValueError when `new` does not follow `old`."""
    if new.key_epoch != old.key_epoch + 1:
        raise ValueError("a linkage joins one key epoch with the next")
    pairs = tuple((old.make(domain, raw), new.make(domain, raw)) for raw in raws)
    return Linkage(
        platform_id, domain, old.key_epoch, new.key_epoch, now_ms, now_ms + KEPT_MS, pairs
    )


def write_linkage(linkage: Linkage, signer: Signer) -> bytes:
    """The document: JSON with the key's id and its signature over the body."""
    body = _body(linkage)
    signature = base64.b64encode(signer.sign_bytes(_PREFIX + body)).decode()
    return json.dumps(
        {"linkage": body.decode(), "key_id": signer.key_id, "signature": signature}
    ).encode()


def read_linkage(document: bytes, platform_id: str, public_key: bytes, now_ms: int) -> Linkage:
    """Check a document and read it. Raises ContractError naming the field and the rule."""
    try:
        outer = json.loads(document)
        body = outer["linkage"].encode()
        if outer["key_id"] != key_id_of(public_key):
            raise ContractError("key_id", "must be the platform's key")
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(base64.b64decode(outer["signature"], validate=True), _PREFIX + body)
        inner = json.loads(body)
        pairs = tuple((str(old), str(new)) for old, new in inner.pop("pairs"))
        linkage = Linkage(pairs=pairs, **inner)
    except InvalidSignature:
        raise ContractError("signature", "does not match the linkage") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ContractError("linkage", "is not a readable linkage") from None
    if linkage.platform_id != platform_id or linkage.domain not in DOMAINS:
        raise ContractError("platform_id", "must be the signer's, and the domain a known one")
    if linkage.new_epoch != linkage.old_epoch + 1:
        raise ContractError("new_epoch", "must follow old_epoch")
    if not linkage.issued_ms <= now_ms < linkage.expires_ms <= linkage.issued_ms + KEPT_MS:
        raise ContractError("expires_ms", "must lie ahead, at most 30 days after issued_ms")
    return linkage


def _body(linkage: Linkage) -> bytes:
    return json.dumps(asdict(linkage), sort_keys=True, separators=(",", ":")).encode()
