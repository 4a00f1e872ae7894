"""Table `calibrations`: what the thresholds in use were measured at, to be shown beside alerts."""

from __future__ import annotations

from datetime import datetime

from clickhouse_driver import Client

from pipelines.calibration import Calibration

_COLUMNS = (
    "made_at, rule, level, grade, threshold, budget_per_day, measured_per_day, period_start, "
    "period_end, series, fingerprint"
)


def store(client: Client, made: Calibration, made_at: datetime) -> None:
    """One row a grade. Raises clickhouse_driver.errors.Error."""
    first, last = (datetime.fromisoformat(time) for time in (made.first, made.last))
    head, tail = (made_at, "F01", "merchant"), (first, last, made.series, made.fingerprint)
    rows = [
        (*head, name, one.threshold, one.budget_per_day, one.measured_per_day, *tail)
        for name, one in made.grades.items()
    ]
    client.execute(f"INSERT INTO calibrations ({_COLUMNS}) VALUES", rows)
