"""The pipeline's own commands: worker, migrate, topics."""

from __future__ import annotations

import gc
import logging
import shutil
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
from clickhouse_driver import errors as driver_errors
from kafka.errors import KafkaError
from pydantic import ValidationError

from pipelines.errors import CommandError
from pipelines.settings import Settings

log = structlog.get_logger()
app = typer.Typer(no_args_is_help=True, help="Run the pipeline's processes.")


def settings() -> Settings:
    """Settings from the environment; one line a wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"LIVEWATCH_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}"
            for e in error.errors()
        ]
        raise CommandError("; ".join(lines), 2) from None


@app.command()
def worker(
    name: Annotated[str, typer.Option(help="Unique among the workers of a group.")] = "w1",
    state_dir: Annotated[
        Path, typer.Option(help="Where the worker keeps its copy of the state; one per worker.")
    ] = Path(".livewatch/state/w1"),
    http_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of /healthz, /readyz and /metrics.")
    ] = 6066,
) -> None:
    """Fold telemetry into indicators and flags.

    Reads the telemetry topics as a member of the consumer group, and writes to ClickHouse.
    Start as many as there are cores; partitions move between them by themselves.
    """
    config = settings()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    import faust
    from faust.exceptions import ConsistencyError

    from pipelines.agents.exits import EX_TEMPFAIL
    from pipelines.agents.worker import Worker

    copy = state_dir / config.group
    copy.mkdir(parents=True, exist_ok=True)
    try:
        made = Worker(config, name, state_dir, http_port)
    except ValueError as error:
        raise CommandError(str(error), 2) from None
    _collect_seldom()
    runner = faust.Worker(made.app, loglevel="warn", console_port=0, blocking_timeout=0)
    try:
        runner.execute_from_commandline()
    except SystemExit:
        if not isinstance(runner.crash_reason, ConsistencyError):
            raise
        # Kafka has the state: a changelog that was made anew, or has lost its end, is the truth.
        shutil.rmtree(copy, ignore_errors=True)
        log.warning("the copy of the state is ahead of its changelog; read from Kafka instead")
        raise SystemExit(EX_TEMPFAIL) from None


def _collect_seldom() -> None:
    """A worker keeps a million objects and makes few cycles: a full collection stops it for long
    and finds nothing, so what was imported is left out and the others come seldom."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@app.command()
def migrate(
    dry_run: Annotated[bool, typer.Option(help="Show the statements and change nothing.")] = False,
    to: Annotated[
        int | None, typer.Option(min=0, help="Number to go to, forward or back; the newest.")
    ] = None,
) -> None:
    """Bring the warehouse's schema to a numbered version."""
    from pipelines.warehouse.client import connect
    from pipelines.warehouse.migrate import applied_number, load, plan, run

    config = settings()
    try:
        # A migration may copy what 90 days left.
        client = connect(config, database="default", patience_s=3600)
        database = config.clickhouse_database
        steps = plan(load(), applied_number(client, database), to)
        for step in steps:
            typer.echo(str(step))
            if dry_run:
                for statement in step.statements(database):
                    typer.echo(f"{statement};\n")
        if not dry_run:
            run(client, database, steps)
            typer.echo(f"schema of {database} is at {applied_number(client, database):04d}")
    except (driver_errors.Error, OSError, EOFError) as error:
        where = f"{config.clickhouse_host}:{config.clickhouse_port}"
        raise CommandError(f"ClickHouse at {where}: {str(error).splitlines()[0]}") from None
    except ValueError as error:
        raise CommandError(str(error), 2) from None


@app.command()
def topics(
    partitions: Annotated[
        int | None, typer.Option(min=1, help="Partitions of each telemetry topic.")
    ] = None,
) -> None:
    """Create the Kafka topics that are missing."""
    from pipelines.topics import TopicError, ensure

    config = settings()
    count = partitions or config.partitions
    try:
        made = ensure(config.bootstrap, config.group, count, config.replication)
    except TopicError as error:
        raise CommandError(str(error)) from None
    except KafkaError as error:
        raise CommandError(f"Kafka at {config.bootstrap}: {error}") from None
    typer.echo(f"created {len(made)} topics" if made else "all topics are there")
