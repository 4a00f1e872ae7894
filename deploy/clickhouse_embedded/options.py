"""The server's options, and reading them from a command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    data: Path
    users_file: Path
    host: str
    tcp_port: int
    http_port: int
    max_queries: int
    max_connections: int
    max_insert_bytes: int
    drain_s: float
    die_with_parent: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Exits with the usage on a mistake, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.clickhouse_embedded",
        description="A small ClickHouse server for one machine (not for production).",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="directory of the data; made if missing")
    add("--users-file", type=Path, required=True, help="JSON: user -> password, readonly, database")
    add("--host", default="127.0.0.1")
    add("--tcp-port", type=int, default=9000, help="native protocol; 0 chooses a free one")
    add("--http-port", type=int, default=8123, help="HTTP interface; 0 chooses a free one")
    add("--max-queries", type=int, default=100, help="at once; more are refused with code 202")
    add("--max-connections", type=int, default=1024, help="of the native protocol")
    add("--max-insert-bytes", type=int, default=1 << 30, help="of one insert, decompressed")
    add("--drain-s", type=float, default=30.0, help="how long a stop waits for running statements")
    add("--die-with-parent", action="store_true", help="stop when the starting process ends")
    return Options(**vars(parser.parse_args(arguments)))
