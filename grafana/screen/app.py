"""The screen as an ASGI application. Every route is a GET; the browser never sends SQL."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from grafana.screen.cache import QueryCache
from grafana.screen.errors import AwayError, ScreenError
from grafana.screen.headers import SecurityHeaders
from grafana.screen.library import Library, language
from grafana.screen.login import Login
from grafana.screen.metrics import Metrics
from grafana.screen.panels import Panels
from grafana.screen.prometheus import Metrics as Pipeline
from grafana.screen.prometheus import chosen
from grafana.screen.records import Records
from grafana.screen.settings import ScreenSettings, ServeSettings
from grafana.screen.warehouse import Warehouse
from pipelines.accounts.book import Accounts, load
from pipelines.accounts.proof import Proofs
from pipelines.api.audit import Audit
from pipelines.core.ledger.roles import Actor
from pipelines.topics import AUDIT_TOPIC

_STATIC: Final = Path(__file__).parent / "static"
# Under the page's refresh of 2 s, so that a page always gets figures newer than its last ones.
_SHARE_S: Final = 1.0
# Names of this machine only: a page elsewhere cannot reach the screen by rebinding its own name.
_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")


class Routes:
    def __init__(
        self, library: Library, warehouse: Warehouse, metrics: Metrics, pipeline: Pipeline
    ) -> None:
        self._library = library
        self._warehouse = warehouse
        self._metrics = metrics
        self._panels = Panels(library, QueryCache(warehouse.query, _SHARE_S), pipeline)

    def table(self) -> list[Route | Mount]:
        return [
            Route("/", self.page),
            Route("/api/dashboards", self.dashboards),
            Route("/api/dashboards/{uid}", self.dashboard),
            Route("/api/dashboards/{uid}/variables", self.choices),
            Route("/api/query", self.query),
            Route("/healthz", self.health),
            Route("/readyz", self.ready),
            Route("/metrics", self.measured),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ]

    async def page(self, _: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def dashboards(self, request: Request) -> Response:
        actor: Actor | None = getattr(request.state, "actor", None)
        account = actor.account if actor else None
        return JSONResponse({"dashboards": self._library.listing(), "account": account})

    async def dashboard(self, request: Request) -> Response:
        lang = language(request.query_params.get("lang", "zh"))
        return JSONResponse(self._library.board(request.path_params["uid"], lang))

    async def choices(self, request: Request) -> Response:
        asked = request.query_params
        lang = language(asked.get("lang", "zh"))
        return JSONResponse(await self._panels.choices(request.path_params["uid"], lang, asked))

    async def query(self, request: Request) -> Response:
        asked = request.query_params
        return JSONResponse(
            await self._panels.figures(
                asked.get("dashboard", ""),
                language(asked.get("lang", "zh")),
                asked.getlist("panel"),
                asked,
            )
        )

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(self, _: Request) -> Response:
        await self._warehouse.query("SELECT 1")
        return PlainTextResponse("ready\n")

    async def measured(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")


async def _explained(_: Request, error: Exception) -> Response:
    if not isinstance(error, ScreenError):
        raise error
    headers = {"Retry-After": "2"} if isinstance(error, AwayError) else None
    return JSONResponse({"error": error.body()}, status_code=error.status, headers=headers)


def _book(path: Path) -> Callable[[], Accounts]:
    """The accounts as they are now; read at once, so that a wrong file stops the start."""
    load(path)
    return lambda: load(path)


def _now_ms() -> int:
    return round(time.time() * 1000)


def build(
    settings: ScreenSettings, host: str = "127.0.0.1", serving: ServeSettings | None = None
) -> Starlette:
    """The application, answering to this machine's names and to `host`.

    Raises OSError for a password file that cannot be read, AccountError for a file of accounts
    that is wrong.
    """
    metrics = Metrics()
    warehouse = Warehouse(settings, metrics)
    serving = serving or ServeSettings()
    pipeline = chosen(serving.prometheus, serving.workers)

    records = Records(Audit(serving.audit, AUDIT_TOPIC), _now_ms) if serving.audit else None

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = [asyncio.create_task(part.run()) for part in (pipeline, records) if part]
        yield
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        warehouse.close()

    middleware = [
        Middleware(SecurityHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=[*_HOSTS, host]),
        Middleware(GZipMiddleware, minimum_size=2_000, compresslevel=3),
    ]
    if serving.accounts is not None:
        # Whoever asks under another name needs a session all the same.
        proofs = Proofs(_book(serving.accounts), _now_ms)
        middleware[1] = Middleware(Login, proofs=proofs, records=records)
    return Starlette(
        routes=Routes(Library.committed(), warehouse, metrics, pipeline).table(),
        middleware=middleware,
        exception_handlers={ScreenError: _explained},
        lifespan=lifespan,
    )
