"""The process `livewatch api`: the application, the ledger that it reads, and the clerk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

import structlog
import uvicorn
from aiokafka.errors import KafkaError

from pipelines.accounts.book import Current
from pipelines.accounts.proof import Proofs
from pipelines.api import metrics
from pipelines.api.app import create
from pipelines.api.audit import Audit
from pipelines.api.limits import Limits
from pipelines.api.state import Api
from pipelines.core.levels.policy import RoutingPolicy
from pipelines.ledger.clerk import Clerk
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.log import LedgerLog
from pipelines.ledger.read import wall_ms
from pipelines.ledger.rules import RULES
from pipelines.settings import Settings
from pipelines.sinks.warehouse import Warehouse
from pipelines.topics import AUDIT_TOPIC, LEDGER_TOPIC

log = structlog.get_logger("livewatch.api")
_STARTING = "the ledger is being read"
_FAILURES_PER_S = 1 / 12
_FAILURES = 10.0


class ServeError(Exception):
    """The process cannot be started. One line."""


def serve(settings: Settings, policy: RoutingPolicy, host: str, port: int, *, clerk: bool) -> None:
    """Until SIGTERM or Ctrl-C. Raises ServeError."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    secret = _secret(settings)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_run(settings, policy, secret, host, port, clerk))
    except SystemExit:  # how uvicorn says that the port is taken
        raise ServeError(f"--port: cannot listen on {host}:{port}") from None


async def _run(
    settings: Settings, policy: RoutingPolicy, secret: str, host: str, port: int, clerk: bool
) -> None:
    api = parts(settings, secret)
    config = uvicorn.Config(
        create(api), host=host, port=port, log_config=None, access_log=False, server_header=False,
        lifespan="off", timeout_graceful_shutdown=3, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    background = asyncio.create_task(_background(api, settings, policy, clerk))
    background.add_done_callback(lambda _: setattr(server, "should_exit", True))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(
            number, lambda: setattr(server, "should_exit", True)
        )
    try:
        await server.serve()
    finally:
        background.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await background
        await api.audit.stop()
        await api.ledger.stop()


def parts(settings: Settings, proxy_secret: str = "") -> Api:
    """What the application works with, not started."""
    rate = settings.api_requests_per_s
    return Api(
        settings,
        LedgerLog(settings.bootstrap, LEDGER_TOPIC, settings.ledger_id, wall_ms),
        Proofs(Current(settings.accounts_file), wall_ms),
        Audit(settings.bootstrap, AUDIT_TOPIC),
        RULES,
        Limits(rate, 2 * rate),
        Limits(_FAILURES_PER_S, _FAILURES),
        wall_ms,
        proxy_secret,
        [_STARTING],
    )


async def _background(api: Api, settings: Settings, policy: RoutingPolicy, clerk: bool) -> None:
    while True:
        try:
            await api.audit.start()
            await api.ledger.start()
            break
        except (KafkaError, LedgerError) as error:
            log.warning("waits for Kafka", error=str(error)[:200])
            await asyncio.sleep(1)
    api.not_ready.remove(_STARTING)
    if not clerk:
        await asyncio.Event().wait()
    warehouse = Warehouse(settings, metrics.Store())
    try:
        await Clerk(settings, api.ledger, warehouse, policy, RULES.add_working_days, wall_ms).run()
    finally:
        warehouse.close()


def _secret(settings: Settings) -> str:
    path = settings.proxy_secret_file
    if (path is None) != (settings.proxy_address == ""):
        raise ServeError("LIVEWATCH_PROXY_ADDRESS and LIVEWATCH_PROXY_SECRET_FILE go together")
    if path is None:
        return ""
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ServeError(f"LIVEWATCH_PROXY_SECRET_FILE: {path} cannot be read") from None
    if len(secret) < 16:
        raise ServeError(f"LIVEWATCH_PROXY_SECRET_FILE: {path} has fewer than 16 characters")
    return secret
