"""Reading a stack's warehouse as its viewer: small results by the driver, long columns by HTTP."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from clickhouse_driver import Client

from deploy.errors import StackError
from deploy.stack.clickhouse import read_password
from deploy.stack.home import Home
from deploy.stack.settings import HOST, StackSettings

U64 = npt.NDArray[np.uint64]
_PATIENCE_S = 300


@dataclass(frozen=True)
class Warehouse:
    """Where a warehouse is, and as whom to read it."""

    host: str
    port: int
    http_port: int
    database: str
    user: str
    password: str

    @classmethod
    def of(cls, settings: StackSettings, user: str = "viewer") -> Warehouse:
        """The warehouse of a local stack."""
        ports, secrets = settings.ports, Home(settings.home).secrets
        password = read_password(secrets, user)
        return cls(HOST, ports.clickhouse, ports.clickhouse_http, settings.database, user, password)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Result of a query; a connection of its own, so that a restarted server is no matter."""
        client = Client(
            self.host,
            self.port,
            self.database,
            self.user,
            self.password,
            connect_timeout=5,
            send_receive_timeout=_PATIENCE_S,
        )
        with client:
            found: list[tuple[Any, ...]] = client.execute(
                sql, dict(parameters) if parameters else None
            )
        return found

    def u64_column(self, sql: str) -> U64:
        """Result of a query with one UInt64 column, as it comes off the wire, unboxed."""
        url = f"http://{self.host}:{self.http_port}/?database={self.database}"
        request = urllib.request.Request(url, f"{sql} FORMAT RowBinary".encode())
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as reply:  # noqa: S310
                return np.frombuffer(reply.read(), "<u8")
        except urllib.error.HTTPError as error:
            said = error.read(500).decode("utf-8", "replace").strip()
            raise StackError(f"ClickHouse refused a query: {said}") from None
