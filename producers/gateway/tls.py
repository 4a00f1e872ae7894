"""mTLS: the subject of a client certificate, where uvicorn's protocol has it."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TlsProtocol(HttpToolsProtocol):
    """Puts the verified common name into the scope as extensions["livewatch.tls"]["subject"]."""

    _subject = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._subject = common_name(transport.get_extra_info("peercert") or {})

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
        extensions["livewatch.tls"] = {"subject": self._subject}


def common_name(certificate: dict[str, Any]) -> str:
    """Of a certificate that Python's ssl has verified; "" when it has none or more than one."""
    names = [
        value
        for part in certificate.get("subject", ())
        for name, value in part
        if name == "commonName"
    ]
    return str(names[0]) if len(names) == 1 else ""
