"""Puts the process together: reads flags, owes them, tells them, and says how it stands."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Page

from pipelines.alerts import metrics
from pipelines.alerts.backoff import Backoff
from pipelines.alerts.deliver import Deliverer
from pipelines.alerts.deliveries import Deliveries
from pipelines.alerts.errors import AlertsError
from pipelines.alerts.intake import Intake, LevelIntake
from pipelines.alerts.levels import LevelTaker
from pipelines.alerts.message import Message
from pipelines.alerts.notify import Notifier
from pipelines.alerts.outbox import Outbox
from pipelines.alerts.receivers import Receiver
from pipelines.alerts.routing import ByPolicy
from pipelines.alerts.settings import AlertSettings
from pipelines.alerts.standing import measure
from pipelines.alerts.take import Taker
from pipelines.policy import load as policies

log = structlog.get_logger("livewatch.alerts")
_STAND_S = 2.0
_FORGET_S = 3600.0


class Service:
    """The parts, made before anything runs. Raises AlertsError."""

    def __init__(self, bootstrap: str, settings: AlertSettings, policy: Path | None) -> None:
        try:
            routing = ByPolicy(policies.load(policy))
        except policies.PolicyError as error:
            raise AlertsError(str(error)) from None
        make = partial(self._deliverer, settings)
        self._deliveries = Deliveries(settings.receivers, make)
        known = self._deliveries.receivers
        self.outbox = Outbox(settings.outbox, exclusive=True)
        now_ms = round(time.time() * 1000)
        begin = self.outbox.fact("deliver_from_ms", now_ms - round(settings.history_h * 3_600_000))
        # No proxy and no redirect: who receives stands in the file of receivers.
        # No limit of connections: each deliverer has its own, and those that hang would take all.
        self._client = httpx.AsyncClient(
            trust_env=False, timeout=settings.timeout_s, limits=httpx.Limits()
        )
        message = Message(settings.link)
        taker = Taker(self.outbox, known, routing, begin, message)
        self.intake = Intake(bootstrap, self.outbox, taker, self._wake)
        levels = LevelTaker(self.outbox, known, begin, message)
        self.levels = LevelIntake(bootstrap, self.outbox, levels, self.intake)
        self._notifier: Notifier | None = None
        if settings.alertmanagers():
            self._notifier = Notifier(
                self.outbox, settings.alertmanagers(), self._client,
                resend_s=settings.resend_s, timeout_s=settings.timeout_s,
            )  # fmt: skip

    async def run(self, pages: uvicorn.Server, listening: socket.socket) -> None:
        """Until the server of the pages is asked to end, or a part fails."""
        work: list[Coroutine[Any, Any, None]] = [
            self.intake.run(),
            self.levels.run(),
            self._stand(),
            self._deliveries.run(),
        ]
        if self._notifier:
            work.append(self._notifier.run())
        serving = asyncio.create_task(pages.serve(sockets=[listening]))
        tasks = [asyncio.create_task(one) for one in work]
        ended, _ = await asyncio.wait([serving, *tasks], return_when=asyncio.FIRST_COMPLETED)
        pages.should_exit = True
        for task in tasks:
            task.cancel()
        await asyncio.wait([serving, *tasks])
        await self._client.aclose()
        self.outbox.close()
        for task in ended:
            task.result()

    def not_ready(self) -> str | None:
        return None if self.intake.caught_up else "has not read all flags yet"

    def _deliverer(self, s: AlertSettings, receiver: Receiver) -> Deliverer:
        backoff = Backoff(s.first_retry_s, s.most_retry_s, s.give_up_h * 3600)
        rng = random.Random()  # noqa: S311 - jitter, nothing secret
        return Deliverer(self.outbox, receiver, self._client, backoff, s.timeout_s, rng)

    def _wake(self) -> None:
        self._deliveries.wake()
        if self._notifier:
            self._notifier.wake.set()

    async def _stand(self) -> None:
        """The gauges, now and then; and what was told long ago is forgotten."""
        forget_at = 0.0
        while True:
            now = time.time()
            measure(self.outbox, [one.name for one in self._deliveries.receivers], now)
            if now >= forget_at:
                self.outbox.forget(round(now * 1000))
                forget_at = now + _FORGET_S
            await asyncio.sleep(_STAND_S)


def serve(
    bootstrap: str, settings: AlertSettings, policy: Path | None, host: str, port: int
) -> None:
    """Until SIGTERM or Ctrl-C. `policy`: file; None is the shipped one. Raises AlertsError."""
    service = Service(bootstrap, settings, policy)
    config = uvicorn.Config(
        _pages(service), host=host, port=port, log_config=None, access_log=False,
        server_header=False, lifespan="off", timeout_graceful_shutdown=3,
    )  # fmt: skip
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with contextlib.suppress(KeyboardInterrupt), _listening(host, port) as listening:
            asyncio.run(service.run(uvicorn.Server(config), listening))
    finally:
        signal.signal(signal.SIGTERM, before)


def _listening(host: str, port: int) -> socket.socket:
    """Bound here: the server would end with a stack trace where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = error.strerror or str(error)
        raise AlertsError(f"--http-port: cannot listen on {host}:{port}: {why}") from None


def _pages(service: Service) -> Starlette:
    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        problem = service.not_ready()
        return PlainTextResponse((problem or "ok") + "\n", 503 if problem else 200)

    async def measured(_: Request) -> Response:
        kind = CONTENT_TYPE_LATEST.split(";")[0]
        return Response(generate_latest(metrics.REGISTRY), media_type=kind)

    pages = {"/healthz": healthz, "/readyz": readyz, "/metrics": measured}
    return Starlette(routes=[Page(path, page) for path, page in pages.items()])
