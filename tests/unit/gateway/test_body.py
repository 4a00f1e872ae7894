"""The body of a request is bounded, and who sends too much is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from producers.gateway.body import read_body
from producers.gateway.errors import Refusal

MEGABYTE = 1 << 20


class Sending:
    """A client that sends chunks and counts those that were read."""

    def __init__(self, chunks: int, size: int = MEGABYTE) -> None:
        self.chunks, self.size, self.read = chunks, size, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.chunks):
            self.read += 1
            yield bytes(self.size)


def refusal(sending: Sending, declared: str | None, limit: int) -> Refusal:
    with pytest.raises(Refusal) as found:
        asyncio.run(read_body(aiter(sending), declared, limit))
    return found.value


def test_at_the_limit_it_is_taken_and_one_byte_above_it_is_not() -> None:
    assert len(asyncio.run(read_body(aiter(Sending(2, 50)), "100", 100))) == 100
    assert refusal(Sending(1, 101), "101", 100).status == 413


@pytest.mark.parametrize("declared", ["8388608", None])
def test_who_still_sends_is_heard_out_before_the_answer(declared: str | None) -> None:
    sending = Sending(8)
    assert refusal(sending, declared, MEGABYTE).status == 413
    assert sending.read == 8


def test_nobody_is_heard_out_for_ever() -> None:
    declared, endless = Sending(4_000), Sending(4_000)
    assert refusal(declared, str(2 << 30), MEGABYTE).status == 413
    assert declared.read == 0
    assert refusal(endless, None, MEGABYTE).status == 413
    assert endless.read < 64
