"""`livewatch-push spool`: how full a spool is, and sending what lies in one."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from producers import settings
from producers.connect import endpoints
from producers.errors import TransportError
from producers.keys.files import load_signer
from producers.ledger import forget_unspooled
from producers.pacing import wall_ms
from producers.sender import Sender
from producers.shell import UNSIGNED, stop_on_signals
from producers.spool import Spool, SpoolLimits, SpoolStatus, read_status

app = typer.Typer(
    name="spool", help="What was accepted and is not with Kafka yet.", no_args_is_help=True
)
_SLICE_S = 0.5


@app.command()
def status(
    directory: Annotated[Path, typer.Argument(help="The spool's directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How full it is and what waits, by lane; also while its process runs.

    livewatch-push spool status /var/lib/livewatch/spool
    """
    told = read_status(directory)
    if as_json:
        sys.stdout.write(json.dumps(asdict(told) | {"full": told.full}) + "\n")
        return
    sys.stdout.write("\n".join(_lines(told, wall_ms())) + "\n")


@app.command()
def drain(
    directory: Annotated[Path, typer.Argument(help="The spool's directory.")],
    bootstrap: Annotated[str | None, typer.Option(help="host:port of Kafka")] = None,
    signing_key: Annotated[
        Path | None, typer.Option(help="Ed25519 key (PEM); without it batches are unsigned.")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Of a killed simulator: take out a last line that was never spooled."),
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds that it may take.")] = 300.0,
) -> None:
    """Send what is there, oldest first, and exit: 0 when Kafka has acknowledged everything.

    The process that owns the spool must have ended.

        livewatch-push spool drain spool --bootstrap kafka:9092 --signing-key p01.pem
    """
    where = bootstrap or settings.load().bootstrap
    endpoints(where)
    before = read_status(directory)
    signer = load_signer(signing_key) if signing_key else None
    if signer is None:
        sys.stderr.write(UNSIGNED + "\n")
    spool = Spool.open(directory, SpoolLimits(max(before.max_bytes, before.bytes)), wall_ms())
    try:
        if ledger is not None and forget_unspooled(ledger, spool.last_put()):
            sys.stderr.write("the ledger's last batch never came into the spool: taken out\n")
        with stop_on_signals() as stop, Sender(spool, where, signer=signer, live=False) as sender:
            deadline = time.monotonic() + wait
            while not (done := sender.flush(_SLICE_S)):
                if stop.is_set() or time.monotonic() >= deadline:
                    break
            problem = sender.problem
        left = spool.status()
    finally:
        spool.close()
    if not done:
        raise TransportError(f"{left.rows:,} rows stay in the spool ({problem or 'no time left'})")
    sys.stdout.write(f"sent {before.rows - left.rows:,} rows; the spool is empty\n")
    if left.refused:
        raise TransportError(f"{left.refused} batches are set aside: they cannot be read")


def _lines(told: SpoolStatus, now_ms: int) -> list[str]:
    oldest = "" if told.oldest_ms is None else f", oldest {_age(now_ms - told.oldest_ms)}"
    lines = [
        f"{told.full:.1%} full: {told.bytes:,} of {told.max_bytes:,} bytes, {told.rows:,} rows"
        f"{oldest}; {told.batches:,} batches sealed, {told.refused:,} set aside"
    ]
    for lane in told.lanes:
        age = "-" if lane.oldest_ms is None else _age(now_ms - lane.oldest_ms)
        lines.append(
            f"  {lane.platform_id}/{lane.source} {lane.topic}/{lane.partition}: "
            f"{lane.rows:,} rows, {lane.bytes:,} bytes, oldest {age}"
        )
    return lines


def _age(ms: int) -> str:
    return f"{max(0, ms) / 1000:,.0f} s ago"
