"""The flag of its merchant or cell that a session's flag names, asked of the real engine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from pipelines.core.flags import FlagEvent
from pipelines.ledger.evidence import WIDER
from pipelines.warehouse.client import insert
from pipelines.warehouse.migrate import load, plan, run
from tests.integration.ledger.conftest import columns_of, event

MINUTE = 60_000
START = time.time_ns() // 1_000_000 - 10 * 60 * MINUTE


def flag(
    name: str, kind: str, entity: str, since: int, until: int | None, **more: Any
) -> list[FlagEvent]:
    """From minute `since` to `until` (None: open)."""
    made = {"flag_id": name, "entity_type": kind, "onset": START + since * MINUTE} | more
    out = [event(entity, event_time=START + since * MINUTE, **made)]
    if until is not None:
        out.append(event(entity, event="cleared", event_time=START + until * MINUTE, **made))
    return out


#:  minute  0    10   20   30   40   50   60
#:  m1      |merchant-1---|       |merchant-2 ...
#:  cell    |cell-----------------------------------|
FLAGS: list[FlagEvent] = [
    one
    for some in (
        flag("merchant-1", "merchant", "m1", 0, 20),
        flag("merchant-2", "merchant", "m1", 30, None),
        flag("cell", "cell", "p01/food/310101", 0, 60),
        flag("other rule", "merchant", "m1", 0, 60, rule="F02"),
        flag("other platform", "merchant", "m1", 0, 60, platform_id="p02"),
        flag("early", "session", "s1", 5, 15),
        flag("both", "session", "s1", 15, 40),
        flag("between", "session", "s1", 22, 28),
        flag("late", "session", "s1", 90, None),
        flag("of the cell", "session", "s2", 5, None),
        flag("after all", "session", "s2", 70, None),
        flag("safety", "session", "s1", 5, None, rule="F02"),
        flag("unknown", "session", "s9", 5, None),
    )
    for one in some
]
WANTED = {
    "early": "merchant-1", "both": "merchant-2", "between": "cell", "late": "merchant-2",
    "of the cell": "cell", "safety": "other rule",
}  # fmt: skip


def test_a_session_s_flag_names_the_one_above_it(clickhouse: Any, database: str) -> None:
    with clickhouse.client(user="admin") as admin:
        run(admin, database, plan(load(), 0, None))
    with clickhouse.client(user="admin", database=database) as client:
        for one in FLAGS:
            insert(client, "flag_events", columns_of(one))
        first = datetime.fromtimestamp(START / 1000, UTC)
        client.execute(
            "INSERT INTO sessions (platform_id, session_id, merchant_pid, category, district, "
            "first_seen, version) VALUES",
            [
                ("p01", s, m, "food", "310101", first, v)
                for s, m in (("s1", "m1"), ("s2", "m2"))
                for v in (1, 2)
            ],
        )
        assert dict(client.execute("SELECT flag_id, wider_id FROM v_flag_wider")) == WANTED
        assert client.execute(WIDER, {"f": "both"}) == [("merchant-2",)]
        assert client.execute(WIDER, {"f": "after all"}) == []
