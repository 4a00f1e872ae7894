"""A small ClickHouse server for one machine, around the engine in the `chdb` library.

It speaks the native TCP protocol and the HTTP interface, so that the drivers that production uses
against a ClickHouse cluster meet a real wire in development, tests and demonstrations.

Start it with `python -m deploy.clickhouse_embedded --help`, or from Python with
`deploy.clickhouse_embedded.launch`. It is not a production server: one process, no replication,
two kinds of user (read and write).
"""
