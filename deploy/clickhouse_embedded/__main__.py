"""`python -m deploy.clickhouse_embedded`: see --help."""

import ctypes
import logging
import os
import signal
import sys
import threading
from typing import Final

import structlog

from deploy.clickhouse_embedded import options
from deploy.clickhouse_embedded.errors import StartupError
from deploy.clickhouse_embedded.server import Server

_PR_SET_PDEATHSIG: Final = 1


def _die_with_parent() -> None:
    """Linux only. SIGTERM, so that the stop is orderly; elsewhere the option does nothing."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent or parent == 1:  # it ended before we asked
            raise StartupError("the starting process has ended")


def _log_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    # uvicorn reports every answer that we break off on purpose; our own lines say so already
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)


def main() -> int:
    """0 after an orderly stop, 2 (and one line) when the server cannot start."""
    chosen = options.parse()
    _log_to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        if chosen.die_with_parent:
            _die_with_parent()
        server = Server(chosen)
    except StartupError as error:
        sys.stderr.write(f"clickhouse_embedded: {error}\n")
        return 2
    server.start()
    stop.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # the library's own threads have nothing left to save, and may linger
