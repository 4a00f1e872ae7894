"""The simulated day in a database of its own, and a screen that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickhouse_driver import Client

from deploy.check.simulated_day import day as days
from deploy.check.simulated_day.worker_metrics import worker_metrics
from deploy.check.warehouse import Warehouse
from deploy.serving_check.screen_process import ScreenProcess
from deploy.stack.services import clickhouse_env
from deploy.stack.settings import StackSettings
from pipelines.warehouse import migrate

DATABASE = "serving_check_day"


@dataclass(frozen=True)
class Shown:
    """The day, the address of its screen, and how to read it with the screen's own rights."""

    day: days.Day
    url: str
    reader: Callable[[], Client]


@contextmanager
def day_on_screen(
    settings: StackSettings, directory: Path, say: Callable[[str], None]
) -> Iterator[Shown]:
    """Needs a stack with a ClickHouse. The pipeline's own figures come from a stand-in worker."""

    def client(user: str, database: str = DATABASE) -> Client:
        at = Warehouse.of(settings, user)
        return Client(at.host, at.port, database, at.user, at.password)

    with client("admin", "default") as admin:
        migrate.run(admin, DATABASE, migrate.plan(migrate.load(), 0, None))
    with client("ingest") as writer:
        day = days.build(writer, days.whole_day())
    say(f"a simulated day: {day.rows:,} raw rows")
    with worker_metrics() as metrics:
        env = clickhouse_env(settings, "viewer") | {
            "LIVEWATCH_CLICKHOUSE_DATABASE": DATABASE,
            "LIVEWATCH_SCREEN_WORKERS": metrics,
        }
        screen = ScreenProcess(directory / "screen.log", env)
        try:
            yield Shown(day, screen.url, lambda: client("viewer"))
        finally:
            screen.stop()
