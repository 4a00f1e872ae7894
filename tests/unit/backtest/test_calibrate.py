"""`livewatch calibrate`: budgets are kept on what it saw, and hold about as well on what comes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipelines.backtest.calibrate import app
from pipelines.backtest.ladder import Ladder
from pipelines.calibration import (
    Calibration,
    CalibrationError,
    GradeMeasure,
    calibrated,
    fingerprint,
)
from pipelines.core.detect import DEFAULT_POLICY

RUN = CliRunner()
GRADES = ("watch", "raised", "critical")


def city(folder: Path, bins: int) -> Path:
    """Series of 0.5 to 2.3 a bin; in the first, a rise of an hour near the end."""
    folder.mkdir()
    rng = np.random.default_rng(4)
    for i in range(4):
        counts = rng.poisson(0.5 + 0.6 * i, bins)
        if i == 0:
            counts[-30:-18] += 9
        rows = [f"{t},{n}" for t, n in enumerate(counts.tolist())]
        (folder / f"m{i}.csv").write_text("\n".join(["bin,count", *rows]) + "\n")
    return folder


def run(source: Path, out: Path, *more: str) -> Result:
    args = [str(source), "--out", str(out), "--days", "0.25", "--warm", "0.25", *more]
    return RUN.invoke(app, args)


def test_budgets_are_kept_and_upheld_flags_left_out(tmp_path: Path) -> None:
    source, out = city(tmp_path / "history", 144), tmp_path / "c.json"
    done = run(source, out)
    assert done.exit_code == 0, done.output
    with_rise = Calibration.from_json(out.read_text())
    assert json.loads(done.output.strip().splitlines()[-1])["grades"].keys() == set(GRADES)
    (tmp_path / "upheld.csv").write_text("series,first,last\nm0,110,144\n")
    assert run(source, out, "--upheld", str(tmp_path / "upheld.csv")).exit_code == 0
    without = Calibration.from_json(out.read_text())
    for made in (with_rise, without):
        assert (made.days, made.series) == (0.25, 4)
        for grade in made.grades.values():
            assert grade.measured_per_day <= grade.budget_per_day
    # In a quarter of a day no false critical is allowed: the true rise pushes the threshold up.
    assert without.grades["critical"].threshold < with_rise.grades["critical"].threshold - 2
    assert calibrated(DEFAULT_POLICY, out).critical == without.grades["critical"].threshold


def made(**change: Any) -> str:
    grades = {
        name: GradeMeasure(t, 1.0, 0.5) for name, t in zip(GRADES, (-1.0, 2.0, 4.5), strict=True)
    }
    first, last = "2026-11-01T00:00:00+00:00", "2026-11-08T00:00:00+00:00"
    good = Calibration(fingerprint(DEFAULT_POLICY), first, last, 7.0, 20_000, grades)
    return json.dumps(json.loads(good.to_json()) | change)


def test_the_worker_takes_the_thresholds_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(made())
    policy = calibrated(DEFAULT_POLICY, path)
    assert policy == replace(DEFAULT_POLICY, watch=-1.0, raised=2.0, critical=4.5)
    assert calibrated(DEFAULT_POLICY, None) is DEFAULT_POLICY
    with pytest.raises(CalibrationError, match="other parameters"):
        calibrated(replace(DEFAULT_POLICY, rho=1.2), path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": 9}, "format"),
        ({"days": 0}, "days"),
        ({"series": "many"}, "series"),
        ({"first": "yesterday"}, "first"),
        ({"grades": {"watch": {"threshold": "low"}}}, "grades.watch.threshold"),
        ({"grades": None}, "grades.watch.threshold"),
    ],
)
def test_a_wrong_file_is_refused_by_field(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(made(**change))
    with pytest.raises(CalibrationError, match=named) as error:
        calibrated(DEFAULT_POLICY, path)
    assert str(path) in str(error.value)


def test_thresholds_that_do_not_rise_are_refused(tmp_path: Path) -> None:
    path, data = tmp_path / "c.json", json.loads(made())
    data["grades"]["raised"]["threshold"] = 9.0
    path.write_text(json.dumps(data))
    with pytest.raises(CalibrationError, match="must rise"):
        calibrated(DEFAULT_POLICY, path)


def test_a_history_too_short_is_said(tmp_path: Path) -> None:
    done = run(city(tmp_path / "history", 40), tmp_path / "c.json")
    assert done.exit_code == 2
    assert not (tmp_path / "c.json").exists()


def test_a_ladder_counts_one_alert_until_it_was_quiet() -> None:
    # score    5 5 1 1 5 | 1 1 1 5     quiet after two bins below
    # alerts   1         |       2
    ladder = Ladder(1, np.array([0.0, 3.0]), guard=5, quiet_bins=3)
    for t, score in enumerate([5.0, 5.0, 1.0, 1.0, 5.0, -1.0, -1.0, -1.0, 5.0]):
        ladder.take(t, np.array([0]), np.array([score]), np.array([9.0]))
    assert ladder.alerts.tolist() == [2, 2]
    ladder.take(99, np.array([0]), np.array([9.0]), np.array([4.0]))
    assert ladder.alerts.tolist() == [2, 2]
    assert ladder.threshold_for(2) == (0.0, 2)
    assert ladder.threshold_for(1) == (3.0, 2)
