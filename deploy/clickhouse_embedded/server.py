"""Putting the parts together: sockets, engine, the two interfaces, and an orderly stop."""

import contextlib
import socket
import threading

import structlog
import uvicorn

from deploy.clickhouse_embedded.engine import Engine
from deploy.clickhouse_embedded.errors import StartupError
from deploy.clickhouse_embedded.http_api import HttpApi
from deploy.clickhouse_embedded.listener import Listener
from deploy.clickhouse_embedded.native import NativeSession
from deploy.clickhouse_embedded.options import Options
from deploy.clickhouse_embedded.users import Users
from deploy.clickhouse_embedded.watch import Watcher

_log = structlog.get_logger("clickhouse_embedded.server")


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; `StartupError` if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(512)
    except OSError as error:
        sock.close()
        raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return sock


class Server:
    """Runs from `start` to `stop`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        users = Users.load(options.users_file)
        with contextlib.ExitStack() as undo:
            tcp = undo.enter_context(bind(options.host, options.tcp_port))
            self._http_socket = undo.enter_context(bind(options.host, options.http_port))
            self._engine = Engine(options.data.resolve(), options.max_queries)
            undo.pop_all()
        self.ports = (tcp.getsockname()[1], self._http_socket.getsockname()[1])
        self._watcher = Watcher()
        self._listener = Listener(
            tcp,
            lambda sock: NativeSession(
                sock, self._engine, users, self._watcher, options.max_insert_bytes
            ),
            options.max_connections,
        )
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                HttpApi(self._engine, users, options.max_insert_bytes),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=int(options.drain_s),
            )
        )
        self._http_thread = threading.Thread(target=self._serve_http, name="http", daemon=True)

    def _serve_http(self) -> None:
        self._uvicorn.run(sockets=[self._http_socket])

    def start(self) -> None:
        self._listener.start()
        self._http_thread.start()
        _log.info("ready", host=self._options.host, tcp_port=self.ports[0], http_port=self.ports[1])

    def stop(self) -> None:
        """Let running statements end, then close the engine."""
        _log.info("stopping", queries=self._engine.running)
        self._uvicorn.should_exit = True
        self._listener.stop(self._options.drain_s)
        self._http_thread.join(self._options.drain_s + 5)
        self._watcher.stop()
        self._engine.close()
        _log.info("stopped")
