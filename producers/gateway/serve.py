"""Puts the gateway together, runs it and takes it down in order."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import uvicorn
from prometheus_client import start_http_server

from producers.connect import connect
from producers.errors import TransportError, UsageError
from producers.gateway import metrics
from producers.gateway.api_keys import ApiKeyFile
from producers.gateway.app import build
from producers.gateway.drain import Drain, kafka_producer
from producers.gateway.intake import Intake, IntakePolicy
from producers.gateway.limits import LimitPolicy, Limits
from producers.gateway.parts import Gateway
from producers.gateway.sources import SourcePolicy, Sources
from producers.gateway.store import Reader, Store
from producers.gateway.tls import TlsProtocol
from producers.pacing import wall_ms
from schemas.signing import Signer

log = structlog.get_logger("livewatch.gateway")
SPOOL_FILE = "gateway.sqlite3"


@dataclass(frozen=True)
class Tls:
    """PEM files; `client_ca` asks every client for a certificate of that authority."""

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


@dataclass(frozen=True)
class GatewayOptions:
    """All that a gateway is told at its start. `signer` None: a demo, unsigned."""

    name: str
    bootstrap: str
    spool: Path
    keys: Path
    signer: Signer | None
    host: str = "127.0.0.1"
    port: int = 8087
    metrics_port: int | None = None
    wait_s: float = 10.0
    tls: Tls = field(default_factory=Tls)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    intake: IntakePolicy = field(default_factory=IntakePolicy)
    source: SourcePolicy = field(default_factory=SourcePolicy)
    flush_s: float = 10.0


@contextmanager
def gateway(options: GatewayOptions) -> Iterator[Gateway]:
    """A working gateway without its HTTP server; on leaving, everything accepted is on disk
    and as much as possible with Kafka. Raises PushError."""
    path = options.spool / SPOOL_FILE
    store = Store(path)
    partitions = _partitions(options, store)
    sources = Sources(options.name, store.next_epoch(wall_ms()), partitions, options.source)
    drain = Drain(path, lambda: kafka_producer(options.bootstrap), options.signer)
    intake = Intake(store, sources, options.intake, drain.wake)
    reader = Reader(path)
    intake.start()
    drain.start(intake.delivered)

    def ready() -> str | None:
        return "the spool is full" if intake.full else None

    try:
        keys = ApiKeyFile(options.keys)
        keys.keys()  # a file that is none is said now, not to each who asks
        yield Gateway(keys, Limits(options.limits), intake, sources, reader, ready)
    finally:
        drain.close(options.flush_s)
        intake.close()
        reader.close()
        store.close()


def run(options: GatewayOptions) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish the requests, flush, and return."""
    # uvicorn handles these while it runs and raises them again afterwards: they ask for the
    # orderly end that is under way by then.
    before = {s: signal.signal(s, lambda *_: None) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        with gateway(options) as parts:
            if options.metrics_port is not None:
                _serve_metrics(options.metrics_port)
            server = uvicorn.Server(_config(options, parts))
            log.info("gateway", host=options.host, port=options.port, name=options.name)
            server.run()
            if not server.started:
                raise UsageError(f"--port: cannot listen on {options.host}:{options.port}")
    except SystemExit:
        raise UsageError(f"--port: cannot listen on {options.host}:{options.port}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _config(options: GatewayOptions, parts: Gateway) -> uvicorn.Config:
    tls = options.tls
    try:
        config = uvicorn.Config(
            build(parts),
            host=options.host,
            port=options.port,
            loop="uvloop",
            http=TlsProtocol if tls.certificate else "httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=256,
            backlog=512,
            timeout_graceful_shutdown=20,
            ssl_certfile=tls.certificate,
            ssl_keyfile=tls.key,
            ssl_ca_certs=str(tls.client_ca) if tls.client_ca else None,
            ssl_cert_reqs=ssl.CERT_REQUIRED if tls.client_ca else ssl.CERT_NONE,
        )
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--tls: {error}") from None
    return config


def _partitions(options: GatewayOptions, store: Store) -> int:
    """From Kafka; when it is away, as it was last time, so that a restart needs no Kafka."""
    known = store.fact("partitions")
    try:
        found = connect(options.bootstrap, 0.0 if known else options.wait_s)
    except TransportError as error:
        if not known:
            raise
        log.warning("started without Kafka; the spool takes what comes", why=str(error))
        return known
    store.keep("partitions", found)
    return found


def _serve_metrics(port: int) -> None:
    try:
        start_http_server(port, "127.0.0.1", registry=metrics.REGISTRY)
    except (OSError, OverflowError):
        raise UsageError(f"--metrics-port: cannot listen on {port}") from None
