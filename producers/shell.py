"""What both commands share: signals, logs, progress, errors without stack traces."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

import structlog
from rich.console import Console
from rich.live import Live
from rich.text import Text

from producers.progress import Progress

UNSIGNED = "demo: batches are unsigned"
_LINE_EVERY_S = 10.0


def set_up_logs() -> None:
    """Log lines on stderr; stdout is for the result."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    # The client retries by itself; what it does not mend, the transport reports.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Set on the first Ctrl-C or SIGTERM; the second ends the process at once."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        sys.stderr.write("stopping: sending what is left (once more to leave at once)\n")

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Meter:
    """One live line on a terminal, a plain log line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._started = self._last = time.monotonic()
        self._last_rows = 0

    def __enter__(self) -> Meter:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Tell how far it is; cheap to call at every tick."""
        now = time.monotonic()
        every = 0.25 if self._console.is_terminal else _LINE_EVERY_S
        if now - self._last < every:
            return
        rate = (progress.rows - self._last_rows) / (now - self._last)
        self._last, self._last_rows = now, progress.rows
        line = _line(progress, rate)
        if self._console.is_terminal:
            self._live.update(Text(line))
        else:
            structlog.get_logger("livewatch.push").info(line)


def _line(p: Progress, rate: float) -> str:
    when = datetime.fromtimestamp(p.event_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return (
        f"event time {when}  rows {p.rows:,}  {rate:,.0f}/s  sessions {p.live:,}  "
        f"behind {p.behind_s:.1f} s  unacknowledged {p.in_flight}"
    )
