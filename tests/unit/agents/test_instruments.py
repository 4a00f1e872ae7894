"""The page of metrics is what the code declares."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram, generate_latest

from pipelines.instruments import Instruments, markdown

ROOT = Path(__file__).parents[3]


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    assert page == markdown(), "run python -m pipelines.instruments docs/metrics.md"


def test_names_are_those_that_prometheus_reads() -> None:
    instruments = Instruments()
    text = generate_latest(instruments.registry).decode()
    types = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    assert {one.name: one.kind for one in instruments.declared} == types


def test_every_metric_is_used() -> None:
    """A metric that nobody sets would lie with a zero for ever."""
    code = "\n".join(
        path.read_text("utf-8")
        for path in (ROOT / "pipelines").rglob("*.py")
        if path.name != "instruments.py"
    )
    metrics = [
        name
        for name, value in vars(Instruments()).items()
        if isinstance(value, Counter | Gauge | Histogram)
    ]
    assert [name for name in metrics if f"instruments.{name}" not in code] == []
