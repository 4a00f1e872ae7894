"""The few shapes of PromQL, against figures worked out by hand as Prometheus defines them."""

from __future__ import annotations

import json

import pytest

from grafana.dashboards.build import FOLDER
from grafana.screen.promql import Labels, Snapshot, UnknownExpressionError, evaluate, parse


def snapshot(time: float, *values: tuple[str, dict[str, str], float]) -> Snapshot:
    return time, {(name, tuple(sorted(labels.items()))): value for name, labels, value in values}


def lag(topic: str, partition: str, value: float) -> tuple[str, dict[str, str], float]:
    return "lag", {"topic": topic, "partition": partition}, value


def labels(**wanted: str) -> Labels:
    return tuple(sorted(wanted.items()))


GAUGES = [snapshot(0, lag("a", "0", 3), lag("a", "1", 4), lag("b", "0", 10))]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sum(lag)", {(): 17}),
        ("max(lag)", {(): 10}),
        ("min(lag)", {(): 3}),
        ("sum by (topic) (lag)", {labels(topic="a"): 7, labels(topic="b"): 10}),
        ("max by (partition) (lag)", {labels(partition="0"): 10, labels(partition="1"): 4}),
        ("sum(other)", {}),
    ],
)
def test_gauges_are_combined(text: str, wanted: dict[Labels, float]) -> None:
    assert evaluate(parse(text), GAUGES, 0) == wanted


def test_a_rate_is_the_increase_over_its_window_and_survives_a_restart() -> None:
    history = [
        snapshot(at, ("rows", {}, value))
        for at, value in ((0, 1000), (30, 1300), (60, 30), (90, 90))
    ]
    rate = parse("sum(rate(rows[1m]))")
    assert evaluate(rate, history, 0) == {}
    assert evaluate(rate, history, 1) == {(): 300 / 30}
    # The counter began again at zero: 300 before, 30 after.
    assert evaluate(rate, history, 2) == {(): 330 / 60}
    # Only what is within a minute: 30 and 60 more, from 30 s to 90 s.
    assert evaluate(rate, history, 3) == {(): 90 / 60}


def test_a_quantile_is_linear_within_its_bucket() -> None:
    def buckets(at: float, *counts: float) -> Snapshot:
        edges = ("0.1", "0.5", "1", "+Inf")
        pairs = zip(edges, counts, strict=True)
        return snapshot(at, *(("d_bucket", {"le": edge}, count) for edge, count in pairs))

    history = [buckets(0, 0, 0, 0, 0), buckets(60, 50, 90, 100, 100)]
    p95 = parse("histogram_quantile(0.95, sum by (le) (rate(d_bucket[1m])))")
    # Rank 95 of 100: half way from 90 to 100, so half way from 0.5 s to 1 s.
    assert evaluate(p95, history, 1) == {(): pytest.approx(0.75)}
    history.append(buckets(120, 50, 90, 100, 100))
    assert evaluate(p95, history, 2) == {(): None}
    history.append(buckets(180, 50, 90, 100, 200))
    # All in the last, open bucket: its lower edge.
    assert evaluate(p95, history, 3) == {(): pytest.approx(1.0)}


@pytest.mark.parametrize(
    "text", ["lag", "avg(lag)", "sum(lag) / 2", "sum(lag{topic='a'})", "rate(lag[1m])", "sum("]
)
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(UnknownExpressionError):
        parse(text)


def test_every_expression_of_the_dashboards_is_of_a_known_shape() -> None:
    board = json.loads((FOLDER / "zh" / "09_pipeline_health.json").read_text("utf-8"))
    listed = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(listed) > 15
    for text in listed:
        assert parse(text).metric.startswith("livewatch_")
