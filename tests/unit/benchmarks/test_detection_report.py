"""`make detection-report`, very small: its keys, and that its figures stand in the right order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.detection.__main__ import report
from benchmarks.detection.progress import Progress
from benchmarks.detection.sizes import RISES, TINY
from pipelines.core.detect import DEFAULT_POLICY

PEERS = ("ears_c1", "ears_c2", "poisson_1e-6", "robust_z")
ASKED = (
    "null_critical_per_day",
    "drift_critical_per_day",
    "found_x5_on_1",
    "found_x10_on_0_3",
    "found_x3_on_5",
    "found_x2_on_20",
    "oracle_x5_on_1",
    "found_x5_on_1_drift_0_35",
    "delay_p50_bins",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("report") / "new"
    return report(DEFAULT_POLICY, TINY, out), out


def test_every_figure_that_is_asked_for(told: tuple[dict[str, Any], Path]) -> None:
    line, out = told
    assert [key for key in ASKED if not isinstance(line.get(key), int | float)] == []
    assert json.loads((out / "report.json").read_text("utf-8")) == json.loads(json.dumps(line))
    for row in line["scenarios"].values():
        assert set(row) == {"yield", "ours", *PEERS}


def test_the_page_has_its_plots(told: tuple[dict[str, Any], Path]) -> None:
    page = (told[1] / "index.html").read_text("utf-8")
    for plot in ("alerts.png", "found.png"):
        assert plot in page
        assert (told[1] / plot).stat().st_size > 10_000
    assert "x10 on 0.3, drift 0.35" in page


def test_alarms_are_few_and_rises_found(told: tuple[dict[str, Any], Path]) -> None:
    line = told[0]
    for world in ("null", "drift"):
        grades = [line[f"{world}_{grade}_per_day"] for grade in ("critical", "raised", "watch")]
        assert grades == sorted(grades)
        assert line[f"{world}_critical_alerts"] <= 1
    for rise in RISES:
        assert 0.4 <= line[f"found_{rise}"] <= 1
        assert line[f"found_{rise}"] <= line[f"oracle_{rise}"] + 0.1
    assert 2 <= line["delay_p50_bins"] <= 12


def test_ours_is_ahead_of_its_peers(told: tuple[dict[str, Any], Path]) -> None:
    line = told[0]
    asked = [row for row in line["scenarios"].values() if row["yield"] >= 5]
    assert len(asked) == line["scenarios_asked"] >= 5
    for peer in PEERS:
        ahead = [row["ours"][1][0] >= row[peer][1][0] for row in asked]
        assert sum(ahead) >= len(ahead) - 1, peer
    assert line["null_critical_per_day"] < min(line["peers_as_published_per_day"].values())


def test_the_city_by_merchants_and_apart_by_sessions(told: tuple[dict[str, Any], Path]) -> None:
    city = told[0]["city"]
    for lane in ("merchant", "session"):
        assert set(city[f"{lane}_false_per_day"]) == {"watch", "raised", "critical"}
        rises = city[f"{lane}_rises"]
        assert {row["complaints_per_order"] for row in rises} == {0.005, 0.02, 0.1}
        for row in rises:
            assert row["critical"] <= row["raised"] <= row["watch"] <= 1
    large = {r["complaints_per_order"]: r for r in city["merchant_rises"][:3]}
    assert large[0.1]["critical"] >= large[0.005]["critical"]
    assert large[0.1]["raised"] > 0


def test_progress_says_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 0.0, 30.0, 30.0, 60.0])
    progress = Progress({"first": 60.0, "second": 180.0}, lambda: next(now))
    show = progress.stage("first")
    show(0.5)
    progress.stage("second")
    lines = capsys.readouterr().err.splitlines()
    assert "4.0 min" in lines[0]
    assert "25%, 3.0 min left" in lines[-1]
