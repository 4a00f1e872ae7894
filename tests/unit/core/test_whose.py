"""Complaints with all whom they are about: through a partial, an hour of memory, a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipelines.agents.rollup import RollupStage
from pipelines.core import blob
from pipelines.core.erasure import Erasure, Erasures
from pipelines.core.partials import CELL_METRICS, Partial, Rows, decode, encode
from pipelines.core.rollup.whose import HOUR, Complaints, Whose, counts

NOTHING = Rows([], {})
ONE = Whose("p01", "s1", "m1", "t1", "", "food", "310101")
TWO = Whose("p02", "s2", "m2", "t2", "a2", "other", "999999")


def partial(minute: int, *some: Whose) -> Partial:
    """A complaint of each."""
    keys = [(one.platform, one.session, "/".join(one[2:])) for one in some]
    whose = Rows(keys, {"complaints": np.ones(len(keys), np.int64)})
    cells = Rows([("p01", "food", "310101")], {n: np.ones(1, np.int64) for n in CELL_METRICS})
    return Partial(0, minute, True, minute, 1, 0, cells, NOTHING, whose=whose)


def test_a_partial_says_whose_its_complaints_are() -> None:
    told = decode(encode(partial(5, ONE, TWO)))
    assert counts([told.whose]) == {ONE: 1, TWO: 1}


def test_a_partial_of_before_says_nothing_of_it() -> None:
    told = decode(encode(replace(partial(5), whose=NOTHING)))
    assert counts([told.whose]) == {}


def test_an_hour_is_kept_and_partitions_add_up() -> None:
    kept = Complaints()
    kept.close_minute(5, [partial(5, ONE), partial(5, ONE, TWO)])
    assert sorted(kept.rows(())) == [(5, ONE, 2), (5, TWO, 1)]
    kept.close_minute(4 + HOUR, [])
    assert len(kept.rows(())) == 2
    kept.close_minute(5 + HOUR, [])
    assert kept.rows(()) == []


def test_a_restart_knows_the_same() -> None:
    before, after = Complaints(), Complaints()
    before.close_minute(5, [partial(5, ONE, TWO)])
    after.unpack(5, blob.unpack(blob.pack({"minute": np.array(5)} | before.pack(5))))
    after.unpack(6, {})
    assert after.rows(()) == before.rows(())


def test_open_minutes_count_beside_the_closed() -> None:
    kept = Complaints()
    kept.close_minute(5, [partial(5, ONE)])
    assert kept.rows([(6, counts([partial(6, TWO).whose]))]) == [(5, ONE, 1), (6, TWO, 1)]


def test_what_is_erased_is_forgotten_and_not_taken_in_again() -> None:
    erased = Erasures([Erasure("p01", "s1", 6 * 60_000, 0), Erasure("p02", "", 6 * 60_000, 0)])
    assert counts([erased.strip_partial(partial(5, ONE, TWO)).whose]) == {}
    assert counts([erased.strip_partial(partial(6, ONE, TWO)).whose]) == {ONE: 1, TWO: 1}
    kept = Complaints()
    kept.close_minute(5, [partial(5, ONE, TWO)])
    kept.erase(lambda one, minute: erased.covers(one.platform, one.session, minute))
    assert kept.rows(()) == []


def test_entities_are_named_as_flags_name_them() -> None:
    assert list(ONE.entities()) == [
        ("session", "p01", "s1"), ("merchant", "p01", "m1"), ("streamer", "p01", "t1"),
        ("cell", "p01", "p01/food/310101"), ("category", "p01", "p01/food"),
        ("platform", "p01", "p01"), ("city", "", "all"),
    ]  # fmt: skip


def test_the_checkpoint_that_is_written_after_an_erasure_names_nobody() -> None:
    before, after = RollupStage(1), RollupStage(1)
    entries: dict[str, bytes] = {}
    for minute in range(5, 9):
        before.state.fold(partial(minute, ONE, TWO))
        entries |= before.close(minute, minute * 60_000, {}).entries
    entries |= before.detector() | before.book([])
    assert any(b"s1" in text_of(entries[f"minute/{n}"]) for n in range(5, 9))
    after.erased = Erasures([Erasure("p01", "s1", 8 * 60_000, 0)])
    after.load(before.head() | {"partitions": 1}, entries, 1)
    entries |= after.book([])
    named = {n: b"s1" in text_of(entries[f"minute/{n}"]) for n in range(5, 9)}
    assert named == {5: False, 6: False, 7: False, 8: True}, "minute 8 came after the erasure"
    assert all(b"s2" in text_of(entries[f"minute/{n}"]) for n in range(5, 9))
    again = RollupStage(1)
    again.load(before.head() | {"partitions": 1}, entries, 2)
    assert sorted(again.state.levels.whose.rows(())) == sorted(after.state.levels.whose.rows(()))
    assert after.book([]).keys().isdisjoint({"minute/5"}), "written again once"


def text_of(entry: bytes) -> bytes:
    """What stands in an entry, uncompressed; text of numpy as one byte a letter."""
    return b"".join(a.tobytes().replace(b"\0", b"") for a in blob.unpack(entry).values())
