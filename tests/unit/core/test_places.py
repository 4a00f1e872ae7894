"""The district of a merchant: told by the partitions, settled once and then by the hour."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.fold.places import with_places
from pipelines.core.fold.sessions import DIMENSIONS, Sessions
from pipelines.core.partials import PLACE, PLACE_SESSIONS, Partial, Rows, decode, encode
from pipelines.core.rollup import checkpoint
from pipelines.core.rollup.level import Level
from pipelines.core.rollup.places import settle
from pipelines.core.rollup.state import RollupState
from tests.unit.protocol.world import session_ids

HUANGPU, XUHUI, PUDONG, NOWHERE = "310101", "310104", "310115", "999999"
SHOP = ("p", "m" * 32, "food")
HOUR = 60 * 500_000


def partial(partition: int, district: str, sessions: int, minute: int = HOUR) -> Partial:
    values = {
        "orders": np.zeros(1, np.int64),
        "complaints": np.zeros(1, np.int64),
        PLACE: np.array([int(district or 0)]),
        PLACE_SESSIONS: np.array([sessions]),
    }
    cells = Rows([], {n: np.zeros(0, np.int64) for n in ("seen", "orders", "complaints")})
    one = Partial(
        partition, minute, True, minute, 1, 0, cells, Rows([SHOP], values),
        tallies=Rows([], {}),
    )  # fmt: skip
    return decode(encode(one))


def merchant() -> Level:
    level = Level("merchant", DEFAULT_POLICY)
    level.slot(SHOP[:2], SHOP[2])
    return level


def where(level: Level) -> str:
    return level.entity(0).district


@pytest.mark.parametrize(
    ("told", "district"),
    [
        ([], ""),
        ([("", 0)], ""),
        ([(PUDONG, 2), (HUANGPU, 1), (HUANGPU, 2)], HUANGPU),
        ([(PUDONG, 2), (HUANGPU, 2)], HUANGPU),  # as many: the lower code
        ([("", 0), (PUDONG, 1)], PUDONG),
    ],
)
def test_it_is_where_most_of_its_sessions_are(told: list[tuple[str, int]], district: str) -> None:
    for some in (told, told[::-1]):
        level = merchant()
        settle(level, HOUR, [partial(i, *one) for i, one in enumerate(some)])
        assert where(level) == district


def test_it_moves_by_the_hour_only_and_stays_where_nobody_tells() -> None:
    """|..first told..|..another place..|59|..silence.."""
    level = merchant()
    settle(level, HOUR, [partial(0, PUDONG, 1)])
    settle(level, HOUR + 1, [partial(0, HUANGPU, 9)])
    assert where(level) == PUDONG
    settle(level, HOUR + 59, [partial(0, HUANGPU, 9), partial(1, PUDONG, 9)])
    assert where(level) == PUDONG, "as many: it stays"
    settle(level, HOUR + 119, [partial(0, HUANGPU, 9)])
    assert where(level) == HUANGPU
    settle(level, HOUR + 179, [partial(0, "", 0)])
    assert (where(level), level.moves) == (HUANGPU, 2)


def test_a_worker_of_before_tells_nothing() -> None:
    level, old = merchant(), partial(0, PUDONG, 1)
    for name in (PLACE, PLACE_SESSIONS):
        del old.merchants.values[name]
    settle(level, HOUR, [old])
    assert where(level) == ""


def test_a_partition_tells_of_live_sessions_with_a_known_district() -> None:
    """m: one in Pudong, two in Xuhui of which one is silent, three nowhere; n: nowhere alone."""
    sessions = Sessions(0, 1)
    places = [PUDONG, XUHUI, XUHUI, *[NOWHERE] * 4]
    ids = session_ids(len(places))
    rows = {"session_id": ids, "district": places, "category": ["food"] * len(ids)}
    rows |= {name: [""] * len(ids) for name in DIMENSIONS}
    rows["merchant_pid"] = ["m"] * 6 + ["n"]
    added = ("venue_id", "origin_region", "brand_type", "streamer_tier")
    rows |= {name: [""] * len(ids) for name in added}
    rows["streamer_certified"] = [None] * len(ids)
    slots = sessions.find(pa.RecordBatch.from_pydict(rows), "p", HOUR)
    seen = np.zeros(sessions.capacity, np.int64)
    seen[slots] = [1, 1, 0, 1, 1, 1, 1]
    keys = [("p", "n", "food"), ("p", "m", "food")]
    told = with_places(Rows(keys, {}), sessions, {"seen": seen}).values
    assert told[PLACE].tolist() == [0, int(XUHUI)], "as many in both: the lower code"
    assert told[PLACE_SESSIONS].tolist() == [0, 1]
    assert with_places(Rows([], {}), sessions, {"seen": seen}).values[PLACE].tolist() == []


def test_it_is_kept_and_a_checkpoint_of_before_knows_none() -> None:
    state, entries = RollupState(1), checkpoint.KeyEntries()
    state.levels.merchant.slot(SHOP[:2], SHOP[2])
    first = entries.changed(state)
    settle(state.levels.merchant, HOUR, [partial(0, PUDONG, 1)])
    moved = entries.changed(state)
    assert set(moved) == {"keys/merchant"}
    assert not entries.changed(state)
    head = {"closed_through": HOUR, "through": []}
    rows = json.loads(first["keys/merchant"])
    assert rows.pop("districts") == [""]
    old = {"keys/merchant": json.dumps(rows).encode()}
    for kept, district in ((moved, PUDONG), (old, "")):
        again = RollupState(1)
        checkpoint.restore(again, head, kept)
        assert where(again.levels.merchant) == district
