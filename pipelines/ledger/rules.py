"""The calendar and the check of free text, as the ledger's requests want them."""

from __future__ import annotations

from pipelines.core.ledger.requests import Rules
from schemas.codes.workdays import add_working_days
from schemas.personal import kinds_in

#: What can be told in a reason without a doubt. A reason is a sentence: that a word in it may be a
#: name or a place is no ground to refuse it.
_CERTAIN = frozenset(
    {"phone", "id_number", "bank_card", "email", "ip", "account", "door", "labelled_name"}
)


def personal_in(text: str) -> list[str]:
    """Kinds of personal data that are in a reason without a doubt."""
    return sorted(_CERTAIN.intersection(kinds_in(text)))


RULES = Rules(add_working_days, personal_in)
