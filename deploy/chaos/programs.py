"""The programs beside the stack that a round starts, breaks and waits for."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.chaos.book import Book
from deploy.chaos.http_source import HttpOptions
from deploy.chaos.sdk_source import SdkOptions
from deploy.chaos.source import SourceOptions
from deploy.chaos.tally import read
from deploy.stack.settings import HOST
from producers.gateway.api_keys import ApiKeyFile, new_key
from producers.gateway.serve import SPOOL_FILE
from schemas.keys import FOR_EVER_MS

PRODUCER, SDK, GATEWAY = "producer", "sdk", "gateway"


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Program:
    """`finished`: whether an end with exit code 0 was the last one. `over`: whether a program
    that does not end by itself has nothing more to do, and is to be told so."""

    name: str
    kind: str
    argv: list[str]
    finished: Callable[[], bool]
    over: Callable[[], bool] = _never


def platform(options: SourceOptions) -> Program:
    """A simulated platform with a book of its own."""

    def finished() -> bool:
        with closing(Book(options.out / "book.sqlite")) as book:
            return book.finished()

    return Program(options.name, PRODUCER, _argv("deploy.chaos.source", options), finished)


def by_sdk(options: SdkOptions) -> Program:
    """A back end with the SDK."""
    argv = _argv("deploy.chaos.sdk_source", options)
    return Program("by-sdk", SDK, argv, lambda: read(options.tally).ended)


def by_http(options: HttpOptions) -> Program:
    """A platform behind the gateway."""
    argv = _argv("deploy.chaos.http_source", options)
    return Program("by-http", PRODUCER, argv, lambda: read(options.tally).ended)


@dataclass(frozen=True)
class GatewayPlace:
    """Where the gateway of a round is."""

    port: int
    keys: Path
    spool: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def api_key(self, platform_id: str) -> str:
        """A new key for a platform."""
        entry, text = new_key(platform_id, "", 0, FOR_EVER_MS)
        ApiKeyFile(self.keys).add(entry)
        return text

    def program(self, bootstrap: str, tally: Path) -> Program:
        """The gateway; its work is over when the source of `tally` has said goodbye and Kafka
        has everything. It is asked only where it answers: earlier a signal would just kill it."""

        def finished() -> bool:
            return read(tally).ended and self._unsent() == 0

        def over() -> bool:
            return finished() and self._answers()

        argv = [
            *(sys.executable, "-m", "producers.cli", "gateway", "--unsigned"),
            *("--keys", str(self.keys), "--spool", str(self.spool), "--name", "chaos"),
            *("--bootstrap", bootstrap, "--port", str(self.port)),
        ]
        return Program("gateway", GATEWAY, argv, finished, over)

    def _unsent(self) -> int:
        """Batches that were accepted and that Kafka does not have."""
        with closing(sqlite3.connect(self.spool / SPOOL_FILE)) as db:
            return int(db.execute("SELECT count() FROM batches").fetchone()[0])

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False).is_success)
        except httpx.HTTPError:
            return False


def _argv(module: str, options: SourceOptions | SdkOptions | HttpOptions) -> list[str]:
    return [sys.executable, "-m", module, *options.arguments()]
