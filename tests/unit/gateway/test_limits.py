"""Token buckets: a table of takes, no clock."""

from __future__ import annotations

import pytest

from producers.gateway.limits import LimitPolicy, Limits, TokenBucket


def test_a_bucket_fills_with_time_and_says_when_to_come_back() -> None:
    bucket = TokenBucket(rate=10, size=20, level=20, at_s=0)
    assert bucket.take(20, 0) == 0
    assert bucket.take(5, 0.1) == pytest.approx(0.4)
    assert bucket.take(5, 0.5) == 0
    assert bucket.take(20, 100) == 0  # never more than its size


def test_what_is_larger_than_the_bucket_passes_once_and_is_owed() -> None:
    bucket = TokenBucket(rate=10, size=20, level=20, at_s=0)
    assert bucket.take(60, 0) == 0
    assert bucket.take(1, 0) == pytest.approx(4.1)


def test_platforms_do_not_use_up_each_other() -> None:
    limits = Limits(LimitPolicy(rows_per_s=100, requests_per_s=1, burst_s=1))
    assert limits.request("p01", 0) == 0
    assert limits.request("p01", 0) > 0
    assert limits.request("p02", 0) == 0
    assert limits.rows("p01", 100, 0) == 0
    assert limits.rows("p01", 50, 0) == pytest.approx(0.5)
    assert limits.rows("p02", 50, 0) == 0


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_no_limit_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        LimitPolicy(rows_per_s=rate)
