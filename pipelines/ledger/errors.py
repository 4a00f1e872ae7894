"""What can go wrong with the ledger besides a refusal."""

from __future__ import annotations


class LedgerError(Exception):
    """The ledger cannot be read or written now. The message says why and what to do."""


class LedgerAwayError(LedgerError):
    """Kafka does not answer. Whether an entry was written is settled by asking again with the same
    identity."""
