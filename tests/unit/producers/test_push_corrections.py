"""A correction's header is what the contract reads, and refuses what it would refuse."""

from __future__ import annotations

import pytest

from producers.corrections import correcting, of_batch, of_session
from schemas.errors import ContractError
from schemas.identity import (
    BatchHeader,
    BatchIdentity,
    Supersedes,
    from_headers,
    parse_supersedes,
    to_headers,
)

TOPIC = "telemetry.orders.v1"
HEADER = BatchHeader(BatchIdentity("p01", "gate", 2, TOPIC, 3, 9), 0, 1, 5_000)
SESSION = "0f" * 16


@pytest.mark.parametrize(
    "what",
    [of_batch(BatchIdentity("p01", "gate", 1, TOPIC, 3, 4)), of_session(SESSION, 10, 20)],
)
def test_it_reads_back(what: Supersedes) -> None:
    made = correcting(HEADER, what, "miscounted")
    assert from_headers(to_headers(made), TOPIC, 3) == made
    assert parse_supersedes(made.supersedes) == what


def test_what_the_contract_refuses_is_refused_before_it_is_sent() -> None:
    for session, begin, end in (("x", 1, 2), (SESSION, 2, 2), (SESSION, 3, 2)):
        with pytest.raises(ContractError, match="ce_supersedes"):
            of_session(session, begin, end)
    with pytest.raises(ContractError, match="ce_reason"):
        correcting(HEADER, of_session(SESSION, 1, 2), "because")
