"""Who may write: one that may not leaves no trace, and a copied record is a repeat."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.agents.fold import FoldStage
from pipelines.agents.signers import LiveRegistry, Signers, signers_of
from pipelines.agents.stage import Record
from pipelines.core.fold.checkpoint import head
from pipelines.core.sources import MAX_EPOCHS
from pipelines.instruments import Instruments
from pipelines.settings import Settings
from schemas.batch import encode
from schemas.identity import BatchHeader, BatchIdentity, to_headers
from schemas.keys import Delegation, KeyRegistry, PublicKey, save_registry
from schemas.signing import SIGNATURE_HEADER, Signer
from schemas.telemetry import SampleType
from tests.unit.protocol.world import PARTITIONS, START, Sample, record_batch, session_ids

TOPIC = SampleType.ORDERS.topic
OWN, GATEWAY, OTHER, STRANGER = (Signer.from_seed(bytes([n]) * 32) for n in range(4))
LATER = START + 600_000


def key(signer: Signer, owner: str, **more: int) -> PublicKey:
    return PublicKey(owner, signer.public_key.hex(), **more)


REGISTRY = (
    KeyRegistry()
    .with_key(key(OWN, "platform/p01", not_before_ms=START, revoked_ms=LATER))
    .with_key(key(GATEWAY, "gateway/gw"))
    .with_key(key(OTHER, "platform/p02"))
    .with_delegation(Delegation("p01", GATEWAY.key_id))
)


def record(
    signer: Signer | None,
    sequence: int = 0,
    *,
    at: int = START + 1_000,
    offset: int = 0,
    epoch: int = 1,
    final: bool = False,
) -> Record:
    sample = Sample(SampleType.ORDERS, "a", session_ids(1)[0], START, 3)
    ident = BatchIdentity("p01", "a", epoch, TOPIC, 0, sequence)
    headers = to_headers(BatchHeader(ident, 1, START + 60_000, START, final=final))
    value = encode(record_batch([sample]))
    if signer is not None:
        headers = signer.sign(TOPIC, 0, headers, value)
    return Record(TOPIC, 0, offset, at, value, tuple(headers))


class Judge:
    """A first stage that knows the registry."""

    def __init__(self, *, unsigned: bool = False) -> None:
        self.instruments = Instruments()
        signers = Signers(lambda: REGISTRY, unsigned=unsigned)
        self.stage = FoldStage(0, PARTITIONS, self.instruments, signers=signers)
        self.stage.load(None, {}, 1)

    def refused(self, reason: str) -> float:
        name = "livewatch_refused_batches_total"
        return self.instruments.registry.get_sample_value(name, {"reason": reason}) or 0

    def state(self) -> Any:
        state = self.stage.state
        return json.dumps(head(state)), dict(state.sources), state.sessions.count, dict(state.opens)


def changed(one: Record, **to: Any) -> Record:
    return one._replace(**to)


def without_signature(one: Record) -> Record:
    kept = tuple(h for h in one.headers if h[0] != SIGNATURE_HEADER)
    return one._replace(headers=kept)


FORGED = {
    "unsigned": record(None),
    "unregistered": record(STRANGER),
    "foreign": record(OTHER),
    "revoked": record(OWN, at=LATER),
    "expired": record(OWN, at=START - 1),
    "signature": changed(record(OWN), value=record(OWN).value + b"\0"),  # type: ignore[operator]
    "header": changed(record(OWN), topic=SampleType.VIEWERS.topic),
}


@pytest.mark.parametrize("reason", FORGED)
def test_what_nobody_answers_for_leaves_no_trace(reason: str) -> None:
    judge = Judge()
    before = judge.state()
    work = judge.stage.fold(FORGED[reason])
    assert judge.state() == before
    assert (work.raw, work.after, work.minute) == (None, None, -1)
    assert work.dead
    assert work.dead[0] == f"{FORGED[reason].topic}.dlq"
    assert judge.refused(reason) == 1


def test_a_forged_batch_does_not_take_the_number_of_the_real_one() -> None:
    judge = Judge()
    judge.stage.fold(record(STRANGER, 0))
    assert judge.stage.fold(record(OWN, 0)).raw is not None


@pytest.mark.parametrize("signer", [OWN, GATEWAY], ids=["platform", "gateway"])
def test_the_platform_and_its_gateway_may_write(signer: Signer) -> None:
    work = Judge().stage.fold(record(signer))
    assert work.raw is not None
    assert work.dead is None


def test_a_signature_is_bound_to_its_partition() -> None:
    judge = Judge()
    one = record(OWN)
    ident = BatchIdentity("p01", "a", 1, TOPIC, 1, 0)
    elsewhere = dict(to_headers(BatchHeader(ident, 1, START + 60_000, START)))
    headers = tuple((n, elsewhere.get(n, v)) for n, v in one.headers)
    assert judge.stage.fold(one._replace(partition=1, headers=headers)).dead
    assert judge.refused("signature") == 1


def test_a_copied_goodbye_is_a_repeat_and_no_sign_of_anything() -> None:
    judge = Judge()
    judge.stage.fold(record(OWN, 0, final=True))
    judge.stage.fold(record(OWN, 1))
    source = judge.stage.state.sources[TOPIC, "p01", "a"]
    heard = source.last_broker_ms
    work = judge.stage.fold(record(OWN, 0, at=START + 90_000, offset=2, final=True))
    assert (work.raw, work.dead) == (None, None)
    assert (source.duplicates, source.final, source.last_broker_ms) == (1, False, heard)


def test_a_copy_from_an_epoch_long_gone_is_refused() -> None:
    judge = Judge()
    for epoch in range(1, MAX_EPOCHS + 2):
        assert judge.stage.fold(record(OWN, epoch=epoch)).raw is not None
    work = judge.stage.fold(record(OWN, epoch=1))
    assert work.raw is None
    assert work.dead
    assert "newest" in work.dead[1][0]
    assert judge.refused("epoch") == 1


def test_accepting_unsigned_batches_still_judges_signed_ones() -> None:
    judge = Judge(unsigned=True)
    assert judge.stage.fold(record(None)).raw is not None
    assert judge.stage.fold(record(STRANGER, 1)).dead
    assert judge.stage.fold(without_signature(record(OWN, 2))).dead


def test_settings_say_who_may_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"LIVEWATCH_KEYS_FILE: must name"):
        signers_of(Settings(), Instruments())
    missing = Settings(keys_file=tmp_path / "none.json")
    with pytest.raises(ValueError, match=r"LIVEWATCH_KEYS_FILE: .*none\.json: No such file"):
        signers_of(missing, Instruments())
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match=r"LIVEWATCH_KEYS_FILE: .*bad\.json: is not a key"):
        signers_of(Settings(keys_file=tmp_path / "bad.json"), Instruments())
    with pytest.raises(ValidationError):
        Settings(unsigned="maybe")  # type: ignore[arg-type]


def test_a_revocation_holds_at_once_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    path, instruments = tmp_path / "keys.json", Instruments()
    mine = key(OWN, "platform/p01")
    save_registry(path, KeyRegistry().with_key(mine))
    live = LiveRegistry(path, instruments)
    assert live.current().keys[mine.key_id] == mine
    save_registry(path, KeyRegistry().with_key(replace(mine, revoked_ms=5)))
    assert live.current().keys[mine.key_id].revoked_ms == 5
    path.write_text("half of a fi")
    assert live.current().keys[mine.key_id].revoked_ms == 5
    path.unlink()
    assert live.current().keys[mine.key_id].revoked_ms == 5
    name = "livewatch_key_registry_errors_total"
    assert instruments.registry.get_sample_value(name) == 2
