"""A receiver of webhooks that fails, hangs and comes back, and keeps what it took."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deploy.stack.settings import HOST


class Mood(Enum):
    """How the receiver is today."""

    WELL = "well"
    FAILING = "failing"
    HANGING = "hanging"
    GONE = "gone"
    """Answers 410: it will never take it."""
    LOSING = "losing"
    """Takes what comes and hangs up before it says so."""


@dataclass(frozen=True)
class Heard:
    """One request that was answered 200."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Webhook:
    """Listens until `close`. `heard` was taken, `refused` counts what was not, by mood."""

    mood: Mood = Mood.WELL
    heard: list[Heard] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.released = threading.Event()
        self._server = _Server((HOST, 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str = "/hook") -> str:
        return f"http://{HOST}:{self._server.server_address[1]}{path}"

    def be(self, mood: Mood) -> None:
        """Change; whoever hangs is let go."""
        self.mood = mood
        self.released.set()
        self.released = threading.Event()

    def on(self, path: str) -> list[Heard]:
        return [one for one in self.heard if one.path == path]

    def close(self) -> None:
        self.be(Mood.WELL)
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Nothing: that a sender is killed is the purpose."""


def _handler(hook: Webhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:  # who was sending it was killed
                self.close_connection = True
                return
            mood = hook.mood
            if mood is Mood.HANGING:
                hook.refused[mood.value] += 1
                hook.released.wait(120)
                self.close_connection = True
                return
            if mood in (Mood.FAILING, Mood.GONE):
                hook.refused[mood.value] += 1
                self._answer(410 if mood is Mood.GONE else 503)
                return
            told = {name.lower(): value for name, value in self.headers.items()}
            hook.heard.append(Heard(self.path, told, body, time.time()))
            if mood is Mood.LOSING:
                hook.refused[mood.value] += 1
                self.close_connection = True
                return
            self._answer(200)

        def _answer(self, code: int) -> None:
            self.send_response(code)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: what was heard is kept."""

    return Handler
