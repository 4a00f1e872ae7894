"""A login in front of everything, for a screen that others than this machine can reach.

Accounts are those of `livewatch accounts`. The screen shows the whole city from one database
user, so it lets in only roles that may see all of it; others read through the API, or through
their own organisation's Grafana, where the database itself keeps rows apart.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from html import escape
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from grafana.screen.errors import not_logged_in
from grafana.screen.records import Records
from pipelines.accounts.proof import SESSION_MS, Proofs
from pipelines.api.limits import Limits
from pipelines.core.ledger.roles import PERMISSIONS, Actor

COOKIE: Final = "livewatch_screen"
#: What is served without a login: the form's own style, and whether the process lives.
_OPEN: Final = ("/static/css/", "/static/icon.svg", "/healthz", "/readyz", "/login")
#: What the page is made of; it says nothing of what is looked at.
_PARTS: Final = "/static/"
_FORMS: Final = ("/login", "/logout")
_LONGEST_BODY: Final = 4_096
# Ten wrong tries, then one every ten seconds, for each address and for each name.
_RATE, _BURST = 0.1, 10.0


class Login:
    """ASGI middleware: a session's cookie, or the form."""

    def __init__(
        self,
        app: ASGIApp,
        proofs: Proofs,
        clock: Callable[[], float] = time.monotonic,
        records: Records | None = None,
    ) -> None:
        self._app, self._proofs, self._clock, self._records = app, proofs, clock, records
        self._failures = Limits(_RATE, _BURST)
        self._one = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        shown = await self._answer(request) or self._app
        actor: Actor | None = getattr(request.state, "actor", None)
        path = request.url.path
        tried = path == "/login" and request.method == "POST"
        seen = tried or (actor is not None and not path.startswith(_PARTS))
        if self._records is None or not seen:
            await shown(scope, receive, send)
            return
        access = self._records.begun(request, actor)
        await self._records.around(shown, access, scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """What to say instead of the page; None lets the request through."""
        path, method = request.url.path, request.method
        if method == "POST" and path in _FORMS and _foreign(request):
            return HTMLResponse(form("foreign"), status_code=403)
        if path == "/login" and method == "POST":
            return await self._enter(request)
        if path == "/logout" and method == "POST":
            return self._leave(request)
        if path == "/login":
            return HTMLResponse(form())
        if path.startswith(_OPEN) or self._known(request):
            return None
        if path.startswith("/api/"):
            return JSONResponse({"error": not_logged_in().body()}, status_code=401)
        return RedirectResponse("/login", status_code=303)

    def _known(self, request: Request) -> bool:
        actor = request.state.actor = self._proofs.check_session(_secret(request))
        return actor is not None and sees_all(actor)

    async def _enter(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > _LONGEST_BODY:
            return HTMLResponse(form("wrong"), status_code=413)
        fields = parse_qs(body.decode("utf-8", "replace"))
        name, password = (fields.get(k, [""])[0] for k in ("account", "password"))
        address = request.client.host if request.client else "local"
        keys = (f"name {name}", f"address {address}")
        # One after another: of a hundred at once each would find the bucket still full.
        async with self._one:
            if any(self._failures.spent(key, self._clock()) for key in keys):
                return HTMLResponse(form("often"), status_code=429)
            actor = await asyncio.to_thread(self._proofs.check_password, name, password)
            if actor is None:
                for key in keys:
                    self._failures.wait(key, self._clock())
                return HTMLResponse(form("wrong"), status_code=401)
        return self._entered(request, actor)

    def _entered(self, request: Request, actor: Actor) -> Response:
        request.state.actor = actor
        if not sees_all(actor):
            return HTMLResponse(form("part"), status_code=403)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            COOKIE,
            self._proofs.open_session(actor),
            max_age=SESSION_MS // 1000,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _leave(self, request: Request) -> Response:
        self._known(request)
        self._proofs.close_session(_secret(request))
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE)
        return answer


def sees_all(actor: Actor) -> bool:
    return PERMISSIONS[actor.role].scope.all


def _foreign(request: Request) -> bool:
    """Whether another site's page sent the form: it could log somebody in as somebody else.

    Browsers say where a form comes from by Sec-Fetch-Site, or, without TLS, by Origin alone.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _secret(request: Request) -> str:
    found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    return found.value if found else ""


_SAID: Final = {
    "": ("", ""),
    "wrong": ("账号或密码不对。", "The account or the password is wrong."),
    "often": ("尝试过多，请稍后再试。", "Too many tries; wait a little."),
    "foreign": ("请在本页登录。", "Log in on this page."),
    "part": (
        "该账号只可查看部分数据：请使用接口，或本单位的 Grafana。",
        "This account may see a part only: use the API, or your own organisation's Grafana.",
    ),
}


def form(said: str = "") -> str:
    """The page that asks for an account; no script, nothing of what was typed."""
    zh, en = (escape(text) for text in _SAID[said])
    told = f'<p class="banner" role="alert">{zh}<br>{en}</p>' if said else ""
    return f"""<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>直播电商运行监测 · livewatch</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/css/page.css"></head>
<body><main class="login"><h1>直播电商运行监测</h1>{told}
<form method="post" action="/login">
<label>账号 <span lang="en">Account</span>
<input name="account" autocomplete="username" required maxlength="64" autofocus></label>
<label>密码 <span lang="en">Password</span>
<input name="password" type="password" autocomplete="current-password" required maxlength="256">
</label>
<button class="tool" type="submit">登录 <span lang="en">Log in</span></button>
</form></main></body></html>"""
