"""What the stack is made of: each process, how it is started, how one knows that it is ready."""

from __future__ import annotations

import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.stack import clickhouse, kafka
from deploy.stack.home import Home
from deploy.stack.keys import ensure_registry, registry_file
from deploy.stack.restart import RestartPolicy
from deploy.stack.sentry import Probe, SentryPolicy
from deploy.stack.settings import HOST, StackSettings

ROLLUP_EVERY_S = 300


def _nothing_to_ask() -> str | None:
    return None


@dataclass(frozen=True)
class Service:
    """A process that is kept running. Times in seconds.

    `command` is called at every start and may write configuration. `must_start`: an end before
    it was ever ready is an error of the installation, not something that a restart heals.
    `unwell`: asked while it runs; a process that stays unwell is ended and started again.
    """

    name: str
    command: Callable[[], list[str]]
    env: dict[str, str] = field(default_factory=dict)
    not_ready: Probe = _nothing_to_ask
    ports: dict[str, int] = field(default_factory=dict)
    must_start: bool = False
    start_timeout: float = 60.0
    grace: float = 20.0
    clean_exits: frozenset[int] = frozenset({0})
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    unwell: Probe | None = None
    sentry: SentryPolicy = field(default_factory=SentryPolicy)


@dataclass(frozen=True)
class Task:
    """A command that must end with 0 before the next step."""

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    timeout: float = 120.0


#: Steps in order; services within one step start together.
Step = list[Service] | Task


def steps(settings: StackSettings) -> list[Step]:
    """The whole stack, in the order in which it starts."""
    home, env = Home(settings.home), worker_env(settings)
    migrate = Task("migrate", _livewatch("migrate"), env)
    topics = Task("topics", _livewatch("topics", "--partitions", str(settings.partitions)), env)
    plan: list[Step] = [kafka_services(settings), [clickhouse_service(settings)], migrate, topics]
    if settings.workers:
        plan.append([worker(settings, n) for n in range(settings.workers)])
    if settings.alerts:
        plan.append([alerts(settings)])
    if settings.screen:
        plan.append([screen(settings)])
    if settings.api:
        plan.append([api(settings)])
    if settings.rollups:
        plan.append([rollups(settings)])
    home.logs.mkdir(parents=True, exist_ok=True)
    return plan


def kafka_services(settings: StackSettings) -> list[Service]:
    cluster = kafka.Cluster.of(settings)
    return [_broker(cluster, n, name) for n, name in enumerate(settings.broker_names())]


def _broker(cluster: kafka.Cluster, number: int, name: str) -> Service:
    broker = kafka.Broker(cluster, number)
    return Service(
        name,
        broker.command,
        not_ready=lambda: kafka.not_ready(broker.bootstrap, cluster.brokers),
        ports={"kafka": broker.port, "controller": broker.controller_port},
        must_start=True,
        grace=30.0,
        # A JVM that was asked to end says so in its exit code.
        clean_exits=frozenset({0, 128 + signal.SIGTERM}),
    )


def clickhouse_service(settings: StackSettings) -> Service:
    ports = settings.ports
    server = clickhouse.Server(Home(settings.home), ports.clickhouse, ports.clickhouse_http)
    return Service(
        "clickhouse",
        server.command,
        not_ready=server.not_ready,
        ports={"tcp": ports.clickhouse, "http": ports.clickhouse_http},
        must_start=True,
        grace=30.0,
    )


def worker(settings: StackSettings, number: int) -> Service:
    name = settings.worker_names()[number]
    port = settings.ports.worker_base + number
    state = Home(settings.home).state / name
    options = ["--name", name, "--state-dir", str(state), "--http-port", str(port)]

    def command() -> list[str]:
        ensure_registry(Home(settings.home).secrets)
        return _livewatch("worker", *options)

    return Service(
        name,
        command,
        env=worker_env(settings),
        not_ready=lambda: http_not_ready(port, "/readyz"),
        ports={"http": port},
        start_timeout=90.0,
        grace=30.0,
        unwell=lambda: http_not_ready(port, "/healthz", timeout=5.0),
    )


def screen(settings: StackSettings) -> Service:
    port = settings.ports.screen
    return Service(
        "screen",
        lambda: _livewatch("screen", "--host", HOST, "--port", str(port)),
        env=clickhouse_env(settings, "viewer")
        | {"LIVEWATCH_SCREEN_WORKERS": _metrics_of(settings)},
        not_ready=lambda: http_not_ready(port, "/"),
        ports={"http": port},
        grace=10.0,
    )


def alerts(settings: StackSettings) -> Service:
    home, port = Home(settings.home), settings.ports.alerts
    receivers = home.secrets / "receivers.yml"
    env = {
        "LIVEWATCH_BOOTSTRAP": settings.bootstrap,
        "LIVEWATCH_ALERTS_OUTBOX": str(home.state / "alerts"),
        "LIVEWATCH_ALERTS_ALERTMANAGER": settings.alertmanager,
    }
    if settings.api:
        env["LIVEWATCH_ALERTS_LINK"] = f"http://{HOST}:{settings.ports.api}"
    if receivers.exists():
        env["LIVEWATCH_ALERTS_RECEIVERS"] = str(receivers)
    return Service(
        "alerts",
        lambda: _livewatch("alerts", "--http-port", str(port)),
        env=env,
        not_ready=lambda: http_not_ready(port, "/readyz"),
        ports={"http": port},
        must_start=True,
        grace=10.0,
        unwell=lambda: http_not_ready(port, "/healthz", timeout=5.0),
    )


def api(settings: StackSettings) -> Service:
    port = settings.ports.api
    return Service(
        "api",
        lambda: _livewatch("api", "--host", HOST, "--port", str(port)),
        env=worker_env(settings),
        not_ready=lambda: http_not_ready(port, "/readyz"),
        ports={"http": port},
        grace=15.0,
    )


def rollups(settings: StackSettings) -> Service:
    return Service(
        "rollups",
        lambda: _livewatch("ops", "rollup", "--every", str(ROLLUP_EVERY_S)),
        env=worker_env(settings),
        grace=10.0,
    )


def _metrics_of(settings: StackSettings) -> str:
    """Where the screen reads the workers' metrics: there is no Prometheus in the local stack."""
    ports = (settings.ports.worker_base + n for n in range(len(settings.worker_names())))
    return ",".join(f"http://{HOST}:{port}/metrics" for port in ports)


def worker_env(settings: StackSettings) -> dict[str, str]:
    """Environment of whatever folds, migrates or creates topics."""
    return clickhouse_env(settings, "ingest") | {
        "LIVEWATCH_BOOTSTRAP": settings.bootstrap,
        "LIVEWATCH_PARTITIONS": str(settings.partitions),
        "LIVEWATCH_KEYS_FILE": str(registry_file(Home(settings.home).secrets)),
        "LIVEWATCH_UNSIGNED": settings.unsigned,
        "LIVEWATCH_REPLICATION": str(settings.brokers),
        "LIVEWATCH_ACCOUNTS_FILE": str(Home(settings.home).secrets / "accounts.json"),
        "LIVEWATCH_CLICKHOUSE_PORT": str(settings.detours.clickhouse or settings.ports.clickhouse),
    }


def clickhouse_env(settings: StackSettings, user: str) -> dict[str, str]:
    """Where the warehouse is and as whom to speak to it."""
    return {
        "LIVEWATCH_CLICKHOUSE_HOST": HOST,
        "LIVEWATCH_CLICKHOUSE_PORT": str(settings.ports.clickhouse),
        "LIVEWATCH_CLICKHOUSE_HTTP_PORT": str(settings.ports.clickhouse_http),
        "LIVEWATCH_CLICKHOUSE_USER": user,
        "LIVEWATCH_CLICKHOUSE_PASSWORD_FILE": str(password_file(settings.home, user)),
        "LIVEWATCH_CLICKHOUSE_DATABASE": settings.database,
    }


def password_file(home: Path, user: str) -> Path:
    return Home(home).secrets / f"{user}.password"


def http_not_ready(port: int, path: str, timeout: float = 2.0) -> str | None:
    """None when `path` answers 2xx."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        return f"{path} answers {error.code}"
    except OSError as error:
        reason = getattr(error, "reason", error)
        return f"no answer on port {port} ({reason})"


def _livewatch(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", *arguments]
