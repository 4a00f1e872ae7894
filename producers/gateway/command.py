"""`livewatch-push gateway`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from producers import settings
from producers.connect import endpoints
from producers.errors import UsageError
from producers.gateway.intake import IntakePolicy
from producers.gateway.limits import LimitPolicy
from producers.gateway.sources import SourcePolicy
from producers.keys.files import load_signer
from producers.shell import UNSIGNED
from producers.units import parse_duration

_NAME = re.compile(r"[a-z0-9-]{1,32}")
File = Path | None


def gateway(
    key: Annotated[File, typer.Option(help="The gateway's private key: it signs.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Demo only: do not sign.")] = False,
    keys: Annotated[
        Path, typer.Option(envvar="LIVEWATCH_GATEWAY_KEYS", help="API keys (gateway-keys).")
    ] = Path("gateway-keys.json"),
    spool: Annotated[Path, typer.Option(help="Directory of the spool; one per gateway.")] = Path(
        "gateway-spool"
    ),
    name: Annotated[str, typer.Option(help="Of this gateway; its sources are gw-<name>.")] = "1",
    bootstrap: Annotated[str | None, typer.Option(help="Kafka, host:port[,host:port].")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8087,
    metrics_port: Annotated[
        int | None, typer.Option(help="Prometheus metrics, on loopback.")
    ] = None,
    tls_cert: Annotated[File, typer.Option(help="PEM: serve HTTPS.")] = None,
    tls_key: Annotated[File, typer.Option(help="PEM: its private key.")] = None,
    tls_client_ca: Annotated[
        File, typer.Option(help="PEM: ask clients for a certificate of this authority (mTLS).")
    ] = None,
    spool_mb: Annotated[int, typer.Option(min=1, help="Accept no more beyond it, MB.")] = 1024,
    rows_per_s: Annotated[float, typer.Option(help="Per platform.")] = 50_000,
    requests_per_s: Annotated[float, typer.Option(help="Per platform.")] = 500,
    corrections_per_s: Annotated[
        float, typer.Option(help="Batches or sessions corrected, per platform.")
    ] = 20,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 4_000_000,
    max_inflated: Annotated[int, typer.Option(min=1, help="Bytes after gzip.")] = 16_000_000,
    group_ms: Annotated[float, typer.Option(min=0, max=1000, help="Gather a commit so long.")] = 25,
    allowed_lag: Annotated[str, typer.Option(help="Rows come out of order by so much.")] = "10s",
    idle: Annotated[str, typer.Option(help="A platform silent for so long is silent.")] = "60s",
) -> None:
    """Take telemetry by HTTP, for platforms without Kafka.

    202 means durable: the rows are on disk, will reach Kafka in order, and are there exactly once
    for whoever reads. SIGTERM finishes the requests and flushes; kill -9 at any moment loses
    nothing that was answered.

    What was wrong is corrected by POST to /v1/corrections/<sample>: withdrawn, or replaced by other
    rows, by the batch ids that its 202 named or by session and time range.

    Examples:

        livewatch-push keys create gw.pem --owner gateway/gw-1 > gw.json

        livewatch-push gateway-keys create --platform p01

        livewatch-push gateway --key gw.pem --bootstrap 127.0.0.1:19092

    What can be sent: http://127.0.0.1:8087/docs
    """
    from producers.gateway.serve import GatewayOptions, Tls, run  # a server's worth of imports

    if not _NAME.fullmatch(name):
        raise UsageError("--name must be 1 to 32 lower-case letters, digits and hyphens")
    if (key is None) != unsigned:
        raise UsageError("give --key, the gateway's private key (keys create), or --unsigned")
    if tls_client_ca is not None and tls_cert is None:
        raise UsageError("--tls-client-ca needs --tls-cert and --tls-key")
    where = bootstrap or settings.load().bootstrap
    endpoints(where)
    if unsigned:
        sys.stderr.write(UNSIGNED + "\n")
    try:
        limits = LimitPolicy(
            rows_per_s,
            requests_per_s,
            max_body=max_body,
            max_inflated=max_inflated,
            corrections_per_s=corrections_per_s,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    run(
        GatewayOptions(
            name,
            where,
            spool,
            keys,
            load_signer(key) if key else None,
            host,
            port,
            metrics_port,
            tls=Tls(tls_cert, tls_key, tls_client_ca),
            limits=limits,
            intake=IntakePolicy(group_ms, spool_mb << 20),
            source=SourcePolicy(parse_duration(allowed_lag), parse_duration(idle)),
        )
    )
