"""What a clock that is wrong for a while does to what is owed: nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.serving_check.flag_events import flag, later, value_of
from pipelines.alerts import deliver, notify
from pipelines.alerts.backoff import Backoff
from pipelines.alerts.deliver import Deliverer
from pipelines.alerts.notify import Notifier
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import ByPolicy, Desk
from pipelines.alerts.signature import new_secret
from pipelines.alerts.take import Incoming, Taker
from pipelines.core.flags import FlagEvent
from pipelines.policy.load import load

NOW = 1_800_000_000_000
HOUR = 3_600_000


class Clock:
    """The wall's clock, set by hand."""

    def __init__(self, now_ms: int = NOW) -> None:
        self.now_ms = now_ms

    def time(self) -> float:
        return self.now_ms / 1000

    def monotonic(self) -> float:
        return 1.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(deliver, "time", made)
    monkeypatch.setattr(notify, "time", made)
    return made


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    (tmp_path / "key").write_text(new_secret())
    made = Outbox(tmp_path / "box", exclusive=True)
    yield made
    made.close()


def receiver(box: Outbox) -> Receiver:
    key = box.path.parent.parent / "key"
    return Receiver("p01", "http://127.0.0.1/", key, frozenset({Desk("platform", "p01")}))


def take(box: Outbox, *events: FlagEvent, now_ms: int = NOW, at: int = 0) -> None:
    taker = Taker(box, [receiver(box)], ByPolicy(load(None)), 0)
    records = [Incoming("flags.v1", 0, at + n, NOW, value_of(one)) for n, one in enumerate(events)]
    taker.take(records, "topic-1", now_ms)


def tell(box: Outbox, status: int) -> int:
    """One round of deliveries to a receiver that answers so; how many were tried."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status))

    async def once() -> int:
        async with httpx.AsyncClient(transport=transport) as client:
            backoff = Backoff(first_s=1, most_s=60, give_up_s=86_400)
            rng = random.Random(1)
            return await Deliverer(box, receiver(box), client, backoff, 5, rng).round()

    return asyncio.run(once())


def test_a_clock_that_steps_back_holds_up_no_delivery(box: Outbox, clock: Clock) -> None:
    clock.now_ms = NOW + 5 * HOUR
    take(box, flag(1), flag(2), now_ms=clock.now_ms)
    (first, _) = box.due("p01", clock.now_ms, 10)
    box.failed(first, clock.now_ms + 30_000, "HTTP 503")
    clock.now_ms = NOW
    assert tell(box, 200) == 2


def test_a_clock_that_jumps_forward_buries_nothing(box: Outbox, clock: Clock) -> None:
    take(box, flag(1))
    clock.now_ms = NOW + 48 * HOUR
    assert tell(box, 503) == 1
    assert not box.dead(None, 10)
    # Nor does a process that was away for longer than events are tried: receivers may be
    # starting just as we are.
    clock.now_ms += HOUR
    assert tell(box, 200) == 1
    assert not box.dead(None, 10)


def test_what_fails_for_long_and_often_is_a_dead_letter(box: Outbox, clock: Clock) -> None:
    take(box, flag(1))
    for _ in range(30):
        clock.now_ms += HOUR
        tell(box, 503)
    assert len(box.dead(None, 10)) == 1


# -- Alertmanager's clock is another one ------------------------------------------------------


def posts(box: Outbox, status: int = 200, count: int = 1) -> list[list[dict[str, str]]]:
    """Bodies of what one round posts."""
    seen: list[list[dict[str, str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(status)

    async def once() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            told = Notifier(box, ["http://am"], client, resend_s=60, timeout_s=5)
            for _ in range(count):
                await told.round()

    asyncio.run(once())
    return seen


def test_what_is_open_ends_by_no_clock_of_ours(box: Outbox, clock: Clock) -> None:
    """An end by our clock may lie in Alertmanager's past, which would call it over."""
    take(box, flag(1))
    ((alert,),) = posts(box)
    assert "endsAt" not in alert


def test_a_worker_s_clock_ahead_of_ours_makes_no_alert_of_the_future(
    box: Outbox, clock: Clock
) -> None:
    """Alertmanager refuses one that ends before it starts, and keeps one that ends later."""
    one = flag(1)
    take(box, one, later(one, "cleared"), now_ms=one.decided_at - HOUR)
    clock.now_ms = one.decided_at - HOUR
    ((alert,),) = posts(box)
    assert alert["startsAt"] < alert["endsAt"]
    (row,) = box.alerts(0)
    assert row[4] <= one.decided_at - HOUR
    assert row[5] == one.decided_at - HOUR + 1


def test_an_end_is_told_for_longer_than_a_lag_lasts(box: Outbox, clock: Clock) -> None:
    """Muted while the pipeline lags, the message that it is over is sent when the lag is."""
    one = flag(1)
    over = later(one, "cleared")
    take(box, one, over, now_ms=over.decided_at)
    clock.now_ms = over.decided_at
    assert len(posts(box)) == 1
    clock.now_ms += 5 * HOUR
    assert len(posts(box)) == 1
    clock.now_ms += 5 * HOUR
    assert not posts(box)


def test_alerts_that_are_refused_hold_up_no_others(box: Outbox, clock: Clock) -> None:
    take(box, *(flag(n) for n in range(450)))
    assert sorted(len(some) for some in posts(box, status=400)) == [50, 200, 200]
