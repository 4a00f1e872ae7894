"""Until when orders are known, and what stands for those that are still to be read."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.core.detect import DEFAULT_POLICY
from pipelines.core.orders import FOR_EVER, OrdersKnown, all_known
from pipelines.core.spikes import OpenCounts, SpikeMonitor, _OpenBins

BIN = 300_000
SLOTS = np.arange(2)


def test_one_part_knows_the_bin_up_to_its_own_time() -> None:
    #  bin |0 ........ 300|, 80% passed; orders known up to 60 s (p1) and to its end (p2)
    known = OrdersKnown.of(["p1", "p2"], {"p1": {0: 60_000}, "p2": {0: 400_000}}, 1)
    assert known.missing(SLOTS, 0, BIN, 0.8).tolist() == pytest.approx([0.6, 0.0])


def test_parts_count_alike_and_those_without_the_platform_not_at_all() -> None:
    #  four partitions: one has read all, one half of it, one nothing, one does not have it
    known = OrdersKnown.of(["p1"], {"p1": {0: BIN, 1: BIN // 2, 2: 0}}, 4)
    assert known.missing(np.array([0]), 0, BIN, 1.0).tolist() == pytest.approx([0.5])


def test_after_a_goodbye_no_order_is_missing_ever() -> None:
    known = OrdersKnown.of(["p1"], {"p1": {0: FOR_EVER}}, 1)
    assert known.missing(np.array([0]), 10**13, BIN, 1.0).tolist() == [0.0]
    assert all_known(2).missing(SLOTS, 10**13, BIN, 1.0).tolist() == [0.0, 0.0]


def monitor() -> SpikeMonitor:
    """Two series of one group with a day of 50 orders a minute each."""
    made = SpikeMonitor.create(DEFAULT_POLICY)
    for slot in SLOTS:
        made.start(int(slot), 0)
    for minute in range(24 * 60):
        orders = np.full(2, 50)
        made.close_minute(minute, np.zeros(2, np.int64), orders, np.ones(2, bool))
    return made


def exposures(known: OrdersKnown, made: SpikeMonitor, bins: int) -> list[float]:
    """Exposure of the first series in each of so many bins with complaints and without orders."""
    first = 24 * 60 // 5
    opens = [
        OpenCounts(5 * (first + i), np.array([1, 1]), np.zeros(2, np.int64)) for i in range(bins)
    ]
    look = _OpenBins(made, SLOTS, (first + bins) * BIN, known)
    out: list[float] = []
    least = look._least

    def seen(orders: np.ndarray, missing: np.ndarray) -> np.ndarray:
        out.append(float(orders[0] + look.exposure.pool[0]))
        return least(orders, missing)

    look._least = seen  # type: ignore[method-assign]
    look.run(opens)
    return out


def test_orders_still_to_be_read_keep_what_history_lets_us_expect() -> None:
    pools = exposures(OrdersKnown.of(["p", "p"], {"p": {0: 0}}, 1), monitor(), 24)
    assert pools[-1] == pytest.approx(pools[0])


def test_orders_that_never_were_do_not() -> None:
    pools = exposures(all_known(2), monitor(), 24)
    # Two hours are two half-lives of the delay from an order to its complaint.
    assert pools[-1] == pytest.approx(pools[0] * 2 ** (-23 / 12))


def test_a_series_without_history_is_expected_to_be_like_its_group() -> None:
    made = monitor()
    made.start(2, 0)
    look = _OpenBins(made, np.array([2]), 0, OrdersKnown.of(["p"] * 3, {"p": {0: 0}}, 1))
    least = look._least(np.zeros(1), np.array([0.5]))
    assert least.tolist() == pytest.approx([0.5 * made.typical[0]])
    assert look._least(np.ones(1), np.array([0.5])).tolist() == [0.0]
