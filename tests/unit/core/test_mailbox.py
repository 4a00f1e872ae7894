"""The order in which what was received is folded. A letter is (lane, text); times in ms."""

from __future__ import annotations

from pipelines.core.mailbox import OVERHEAD_BYTES, Lane, Mailbox

COMPLAINTS = [Lane(0, "complaints", p) for p in (0, 1)]
VIEWERS = [Lane(2, "viewers", p) for p in (0, 1)]


def take_all(box: Mailbox[str]) -> list[str]:
    out = []
    while (found := box.take(lambda lane, item: True)) is not None:
        out.append(found[1])
    return out


def test_complaints_come_first_however_old_the_viewers_are() -> None:
    box: Mailbox[str] = Mailbox()
    box.put(VIEWERS[0], "v1", 10, 1_000)
    box.put(VIEWERS[0], "v2", 10, 2_000)
    box.put(COMPLAINTS[1], "c1", 10, 9_000)
    assert take_all(box) == ["c1", "v1", "v2"]
    assert box.bytes == 0


def test_lanes_of_a_rank_move_on_side_by_side_in_the_time_of_the_broker() -> None:
    #  partition 0   100      300
    #  partition 1       200      400
    box: Mailbox[str] = Mailbox()
    for lane, at in ((0, 100), (0, 300), (1, 200), (1, 400)):
        box.put(VIEWERS[lane], str(at), 10, at)
    assert take_all(box) == ["100", "200", "300", "400"]


def test_a_lane_keeps_its_own_order_whatever_the_clock_says() -> None:
    box: Mailbox[str] = Mailbox()
    box.put(VIEWERS[0], "first", 10, 900)
    box.put(VIEWERS[0], "second", 10, 100)
    assert take_all(box) == ["first", "second"]


def test_a_lane_that_may_not_be_folded_holds_up_no_other() -> None:
    box: Mailbox[str] = Mailbox()
    box.put(COMPLAINTS[0], "held", 10, 0)
    box.put(VIEWERS[1], "v", 10, 5)
    assert box.take(lambda lane, item: item != "held") == (VIEWERS[1], "v")
    assert box.take(lambda lane, item: item != "held") is None


def test_bytes_are_counted_and_given_back() -> None:
    box: Mailbox[str] = Mailbox()
    box.put(VIEWERS[0], "a", 500, 0)
    box.put(VIEWERS[0], "b", 100, 0)
    box.put(VIEWERS[1], "c", 7, 0)
    assert box.size(VIEWERS[0]) == 600 + 2 * OVERHEAD_BYTES
    assert (box.count(VIEWERS[0]), box.count(VIEWERS[1])) == (2, 1)
    assert box.drop(lambda lane, item: item == "a") == 1
    assert box.size(VIEWERS[0]) == 100 + OVERHEAD_BYTES
    assert take_all(box) == ["b", "c"]
    assert (box.bytes, box.size(VIEWERS[0]), list(box)) == (0, 0, [])
