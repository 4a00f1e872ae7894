"""Runs the screen until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable

import uvicorn

from grafana.screen.app import build
from grafana.screen.settings import ScreenSettings, ServeSettings
from pipelines.accounts.errors import AccountError


class StartError(Exception):
    """The screen cannot start; the message is one sentence for the person who started it."""


def serve(
    host: str,
    port: int,
    settings: ScreenSettings,
    serving: ServeSettings,
    ready: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or Ctrl-C, and calls `ready` with the address. Raises StartError."""
    require_login(host, serving)
    require_record(serving)
    try:
        application = build(settings, host, serving)
    except AccountError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"cannot read the password file: {error.strerror}") from error
    with contextlib.closing(listen(host, port)) as listening:
        config = uvicorn.Config(
            application,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        ready(f"http://{_shown(host)}:{listening.getsockname()[1]}/")
        _run(uvicorn.Server(config), listening)


def require_login(host: str, serving: ServeSettings) -> None:
    """Raises StartError where others than this machine could read without a login."""
    if is_loopback(host):
        return
    if serving.accounts is None:
        raise StartError(
            f"beyond this machine the screen asks for a login: give --accounts FILE "
            f"(livewatch accounts add), or use --host 127.0.0.1 instead of {host}"
        )
    if not serving.accounts.exists():
        raise StartError(f"{serving.accounts}: there are no accounts: livewatch accounts add")


def require_record(serving: ServeSettings) -> None:
    """Raises StartError where named accounts would look without a record of it."""
    if serving.accounts is not None and not serving.audit:
        raise StartError(
            "with --accounts every access is put on record: set LIVEWATCH_SCREEN_AUDIT to "
            "Kafka's bootstrap servers"
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Bound before anything else starts, so that a taken port is one clear sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise StartError(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another with --port"
        ) from error
    return listening


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    # uvicorn stops gracefully, then raises the signal again; by then it is answered.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve(sockets=[listening]))
    finally:
        signal.signal(signal.SIGTERM, before)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
