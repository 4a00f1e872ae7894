"""`livewatch backtest`: what goes in, what comes out, and what it says of bad input."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipelines.backtest.command import app
from pipelines.backtest.read import BinLength, InputError, find, read

RUN = CliRunner()


def write(path: Path, rows: list[str], header: str = "bin,count") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def results(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def steady(bins: int, seed: int = 1) -> list[int]:
    return [int(n) for n in np.random.default_rng(seed).poisson(3.0, bins)]


@pytest.mark.parametrize(
    ("length", "season", "bins", "at"),
    [
        ("5m", "none", 1500, 1400),
        ("5m", "hour_of_week", 1500, 1400),
        ("1h", "hour_of_week", 900, 800),
        ("1d", "day_of_week", 300, 250),
        ("1w", "week_of_year", 200, 150),
    ],
)
def test_a_rise_is_graded_and_calm_is_not(
    tmp_path: Path, length: str, season: str, bins: int, at: int
) -> None:
    counts = steady(bins)
    counts[at : at + 4] = [30, 34, 29, 31]
    write(tmp_path / "s.csv", [f"{i},{c}" for i, c in enumerate(counts)])
    args = [str(tmp_path / "s.csv"), "--bin", length, "--season", season]
    done = RUN.invoke(app, [*args, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    rows = results(tmp_path / "out" / "s.csv")
    assert [r["bin"] for r in rows] == [str(i) for i in range(bins)]
    assert "critical" in {r["grade"] for r in rows[at : at + 4]}
    calm = [r["grade"] for r in rows[:at]]
    assert calm.count("critical") == 0
    assert sum(g != "none" for g in calm) < 0.02 * bins
    score = np.array([float(r["score"]) for r in rows])
    assert score[at : at + 4].max() > score[:at].max()


def test_a_folder_of_series_with_times_and_exposure(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        rows = [f"2026-01-{1 + i // 24:02d}T{i % 24:02d}:00:00,{c},{50 + i % 24}"
                for i, c in enumerate(steady(24 * 20, seed))]  # fmt: skip
        write(folder / f"{name}.csv", rows, "bin,count,exposure")
    args = [str(folder), "--bin", "1h", "--season", "hour_of_week", "--out", str(tmp_path / "out")]
    done = RUN.invoke(app, args)
    assert done.exit_code == 0, done.output
    last = json.loads(done.stdout.strip().splitlines()[-1])
    assert last["series"] == 3
    assert last["bins"] == 3 * 24 * 20
    assert results(tmp_path / "out" / "b.csv")[30]["bin"] == "2026-01-02T06:00:00"


def test_what_is_odd_is_said_and_unknown_is_not_zero(tmp_path: Path) -> None:
    rows = ["0,1", "1,2", "1,3", "5,", "4,4", "6,nan", "7,-2", "8,2147483648"]
    series = read(write(tmp_path / "s.csv", rows), BinLength.DAY)
    assert series.number.tolist() == [0, 1, 4, 5, 6, 7, 8]
    assert np.isnan(series.counts).tolist() == [False] * 3 + [True] * 3 + [False]
    assert series.counts[1] == 3
    said = " ".join(series.remarks)
    for word in ("repeat", "out of order", "missing", "no usable count"):
        assert word in said


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("bin,value", "1,2", "column count: is missing"),
        ("bin,count", "monday,2", "line 2: bin: must be a whole number or an ISO 8601 time"),
        ("bin,count", "1,two", "line 2: count: must be a number"),
        ("bin,count", f"{1 << 60},2", "line 2: bin: must be below"),
        ("bin,count,exposure", "1,2,x", "line 2: exposure: must be a number"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, header: str, row: str, message: str) -> None:
    path = write(tmp_path / "s.csv", [row], header)
    done = RUN.invoke(app, [str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_season_that_bins_cannot_show_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", ["1,2"])
    args = [str(path), "--bin", "1w", "--season", "hour_of_week", "--out", str(tmp_path)]
    done = RUN.invoke(app, args)
    assert done.exit_code == 2
    assert "--season" in done.stderr


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no CSV file"):
        find(tmp_path)


@pytest.mark.parametrize("length", list(BinLength))
@pytest.mark.parametrize(
    "rows",
    [
        [f"{i},0" for i in range(120)],
        [f"{i},5" for i in range(120)],
        [f"{i},{2**31 if i == 60 else 1}" for i in range(120)],
        [f"{i},3,{0 if i % 2 else 10}" for i in range(120)],
        [f"{i + (1000 if i > 60 else 0)},2" for i in range(120)],
        ["1,1"],
        [],
    ],
    ids=["zeros", "constant", "huge", "no exposure", "jump", "one", "none"],
)
def test_odd_input_gives_finite_scores(tmp_path: Path, length: BinLength, rows: list[str]) -> None:
    header = "bin,count,exposure" if rows and rows[0].count(",") == 2 else "bin,count"
    path = write(tmp_path / "s.csv", rows, header)
    done = RUN.invoke(app, [str(path), "--bin", length.value, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    found = results(tmp_path / "out" / "s.csv")
    assert len(found) == len(rows)
    assert all(np.isfinite(float(r["score"])) for r in found)
    assert sum(r["grade"] in ("raised", "critical") for r in found) <= 14


DAYS = [(date(2025, 1, 6) + timedelta(days=n)).isoformat() for n in range(300)]


def alerts(tmp_path: Path, length: str, rows: list[str], header: str = "bin,count") -> list[str]:
    path = write(tmp_path / "s.csv", rows, header)
    done = RUN.invoke(app, [str(path), "--bin", length, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    found = results(tmp_path / "out" / "s.csv")
    assert all(np.isfinite(float(r["score"])) for r in found)
    return [r["bin"] for r in found if r["grade"] in ("raised", "critical")]


@pytest.mark.parametrize("length", ["5m", "1h", "1d", "1w"])
@pytest.mark.parametrize("level", [2**21, 2**31, 2**63])
def test_a_constant_series_of_any_size_is_calm(tmp_path: Path, length: str, level: int) -> None:
    assert alerts(tmp_path, length, [f"{i},{level}" for i in range(400)]) == []


@pytest.mark.parametrize("length", ["5m", "1h", "1d", "1w"])
@pytest.mark.parametrize("at", [0, 3, 10, 40])
@pytest.mark.parametrize("size", [10**6, 2**31])
def test_one_huge_count_is_one_alert_at_most(
    tmp_path: Path, length: str, at: int, size: int
) -> None:
    counts = steady(500)
    counts[at] = size
    found = alerts(tmp_path, length, [f"{i},{c}" for i, c in enumerate(counts)])
    assert len(found) <= 3
    assert all(at <= int(bin_) <= at + 3 for bin_ in found)


@pytest.mark.parametrize("length", ["5m", "1h", "1d", "1w"])
@pytest.mark.parametrize("scale", [1e-300, 1e-6, 1e9, 1e300])
def test_the_unit_of_the_exposure_does_not_matter(
    tmp_path: Path, length: str, scale: float
) -> None:
    rows = [f"{i},{c},{scale}" for i, c in enumerate(steady(400))]
    assert alerts(tmp_path, length, rows, "bin,count,exposure") == []


@pytest.mark.parametrize("length", ["5m", "1h", "1d", "1w"])
@pytest.mark.parametrize("odd", ["1e300", "1e-300", "1e6", "1e-3", "inf", "nan", "-5"])
def test_one_absurd_exposure_is_unknown(tmp_path: Path, length: str, odd: str) -> None:
    rows = [f"{i},{c},{odd if i == 200 else 100}" for i, c in enumerate(steady(400))]
    assert alerts(tmp_path, length, rows, "bin,count,exposure") == []


@pytest.mark.parametrize(
    "written",
    [
        [day.replace("-", "") for day in DAYS],
        [f"{day}T00:00:00+08:00" for day in DAYS],
        [str(n * 86_400 + 1_736_121_600) for n in range(300)],
        [str((n * 86_400 + 1_736_121_600) * 1000) for n in range(300)],
        [day if n % 2 else f"{day}T00:00:00Z" for n, day in enumerate(DAYS)],
    ],
    ids=["basic", "zone", "seconds", "milliseconds", "mixed"],
)
def test_days_are_days_however_they_are_written(tmp_path: Path, written: list[str]) -> None:
    rows = [f"{bin_},{c}" for bin_, c in zip(written, steady(300), strict=True)]
    series = read(write(tmp_path / "s.csv", rows), BinLength.DAY)
    assert series.remarks == []
    assert np.diff(series.number).tolist() == [1.0] * 299
    assert series.number[0] % 7 == 0  # a Monday


def test_the_series_themselves_are_not_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", ["1,2"])
    before = path.read_bytes()
    done = RUN.invoke(app, [str(path), "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "--out" in done.stderr
    assert path.read_bytes() == before


def test_a_folder_called_csv_is_passed_over_and_a_file_is_no_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", ["1,2"])
    (tmp_path / "old.csv").mkdir()
    done = RUN.invoke(app, [str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    done = RUN.invoke(app, [str(path), "--out", str(path)])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
