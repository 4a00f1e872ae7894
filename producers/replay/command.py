"""`livewatch-push replay`: options to a configured replay."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Annotated

import typer

from producers import settings
from producers.clock import plan_span
from producers.delivery import RunOptions
from producers.errors import UsageError
from producers.options import Access, connected, pace_of, report, seal_policy
from producers.pacing import wall_ms
from producers.replay.mapping import Mapping
from producers.replay.rows import RowMaker
from producers.replay.run import ReplayRun
from producers.replay.series import Series
from producers.shell import Meter
from producers.units import parse_duration
from schemas.telemetry import PLATFORM_ID, SOURCE_ID, SampleType

Option = typer.Option
_SECRET_BYTES = 16


def replay(
    file: Annotated[Path, typer.Argument(help=".csv, .jsonl or .parquet")],
    sample: Annotated[SampleType, Option("--as", help="what the rows are")] = SampleType.COMPLAINTS,
    time_column: Annotated[str, Option(help="column with the event time")] = "timestamp",
    time_format: Annotated[
        str | None, Option(help="strptime format, epoch-s or epoch-ms; else ISO 8601")
    ] = None,
    time_zone: Annotated[str, Option(help="zone of times that name none")] = "UTC",
    count_column: Annotated[str | None, Option(help="column with the count; else 1 a row")] = None,
    entity_column: Annotated[
        str | None, Option(help="column that tells sessions apart; else the file is one")
    ] = None,
    platform: Annotated[str, Option(help="platform id")] = "p01",
    category: Annotated[str | None, Option(help="category of every row")] = None,
    district: Annotated[str | None, Option(help="district of every row")] = None,
    code: Annotated[str | None, Option(help="complaint code of every row")] = None,
    maps: Annotated[
        list[str] | None, Option("--map", help="contract column=file column, e.g. district=area")
    ] = None,
    secret_file: Annotated[
        Path | None, Option(help="key of the pseudonyms; else LIVEWATCH_PUSH_SECRET")
    ] = None,
    shift_to_now: Annotated[
        bool, Option("--shift-to-now/--keep-time", help="let the last row fall on the end")
    ] = True,
    sort: Annotated[bool, Option(help="sort the file by time, in memory")] = False,
    speed: Annotated[float, Option(help="event time is so many times as fast")] = 60,
    rate: Annotated[str | None, Option(help="'max': no pacing, as fast as possible")] = None,
    bootstrap: Annotated[str | None, Option(help="host:port of Kafka")] = None,
    source: Annotated[str, Option(help="source id")] = "replay-1",
    out: Annotated[Path, Option(help="folder for ledger.jsonl")] = Path("push-out"),
    overwrite: Annotated[bool, Option(help="replace the ledger of an earlier run")] = False,
    goodbye: Annotated[
        bool, Option(help="say at the end of a finished run that nothing more will come")
    ] = True,
    batch_rows: Annotated[int, Option(help="rows per batch at most")] = 1_000,
    linger: Annotated[str, Option(help="longest wait of a row for its batch")] = "500ms",
    wait: Annotated[float | None, Option(help="seconds to wait for Kafka at the start")] = None,
    metrics_port: Annotated[int | None, Option(help="serve Prometheus metrics here")] = None,
    signing_key: Annotated[Path | None, Option(help="Ed25519 key (PEM) to sign with")] = None,
    as_json: Annotated[bool, Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """Replay counts from a file as telemetry.

    A series of counts, shifted so that it ends now, an hour in a second:

        livewatch-push replay counts.csv --count-column value --speed 3600

    One row per complaint, with an entity per kind; texts leave as pseudonyms only:

        livewatch-push replay complaints.csv --time-column created \\
          --time-format "%m/%d/%Y %H:%M" --entity-column kind --secret-file key \\
          --sort --keep-time --rate max
    """
    pace = pace_of(speed, rate)
    _check_id("--platform", platform, PLATFORM_ID)
    _check_id("--source", source, SOURCE_ID)
    given = {"category": category, "district": district, "code": code}
    mapping = Mapping(
        sample,
        time_column,
        time_format,
        time_zone,
        count_column,
        entity_column,
        {name: value for name, value in given.items() if value is not None},
        _pairs(maps or []),
    )
    secret = _secret(secret_file, settings.load().secret, needed=entity_column is not None)
    seal = seal_policy(pace, batch_rows, parse_duration(linger))
    options = RunOptions(out, seal, goodbye, overwrite)
    options.check()
    series = Series(file, mapping, sort)
    survey = series.survey()

    def start() -> int:
        length = max(1, survey.last_ms - survey.first_ms)
        return plan_span(
            wall_ms(), length, pace, None if shift_to_now else survey.first_ms
        ).start_ms

    start()  # what is wrong is said before Kafka is waited for
    with connected(Access(bootstrap, wait, metrics_port, signing_key)) as kafka, Meter() as meter:
        maker = RowMaker(mapping, secret, file.stem, kafka.partitions)
        place = (platform, source)
        run = ReplayRun(
            series, survey, maker, start(), pace, place, options, kafka.sink, kafka.stop
        )
        summary = run.run(meter.show)
    report(summary, as_json)


def _check_id(option: str, value: str, pattern: str) -> None:
    if not re.match(pattern, value):
        raise UsageError(f"{option} must match {pattern}")


def _pairs(maps: list[str]) -> dict[str, str]:
    found = {}
    for pair in maps:
        name, equals, column = pair.partition("=")
        if not equals or not name or not column:
            raise UsageError("--map: must be contract column=file column, e.g. district=area")
        found[name] = column
    return found


def _secret(path: Path | None, from_env: str | None, *, needed: bool) -> bytes:
    """The key of the pseudonyms. Without one and without need, each run has its own."""
    if path is not None:
        try:
            secret = path.read_bytes().strip()
        except OSError as error:
            raise UsageError(f"--secret-file: cannot read {path}: {error.strerror}") from None
    elif from_env is not None:
        secret = from_env.encode()
    elif needed:
        raise UsageError("--entity-column needs --secret-file or LIVEWATCH_PUSH_SECRET")
    else:
        return secrets.token_bytes(32)
    if len(secret) < _SECRET_BYTES:
        raise UsageError(f"the secret must have at least {_SECRET_BYTES} bytes")
    return secret
