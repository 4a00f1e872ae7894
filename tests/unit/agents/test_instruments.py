"""The page of metrics is what the code declares."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import generate_latest

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
