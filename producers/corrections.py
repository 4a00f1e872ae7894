"""Corrections from the platform's side: the header of a batch that withdraws earlier ones."""

from __future__ import annotations

from dataclasses import replace

from schemas import codes
from schemas.errors import ContractError
from schemas.identity import BatchHeader, BatchIdentity, Supersedes, parse_supersedes


def of_batch(wrong: BatchIdentity) -> Supersedes:
    """All rows of one batch, as it was sent before."""
    return Supersedes(epoch=wrong.epoch, sequence=wrong.sequence)


def of_session(session_id: str, from_ms: int, to_ms: int) -> Supersedes:
    """All rows of one session and sample type with event times in [from_ms, to_ms).

    Raises ContractError for an id or a range that the contract refuses.
    """
    what = Supersedes(session_id=session_id, from_ms=from_ms, to_ms=to_ms)
    return parse_supersedes(what.text())


def correcting(header: BatchHeader, what: Supersedes, reason: str) -> BatchHeader:
    """The header of a correction: `header` is that of the batch whose rows take the place.

    It must go to the topic and partition of what it withdraws, and for a batch come from the same
    source. Raises ContractError for a reason that is not in the list.
    """
    if reason not in codes.REASONS.codes:
        raise ContractError("ce_reason", "must be a code of the contract's list")
    return replace(header, supersedes=what.text(), reason=reason)
