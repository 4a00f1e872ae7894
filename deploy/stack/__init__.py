"""The local stack: Kafka, ClickHouse, workers and screen as supervised child processes.

Read in this order: `settings` (what the user chose), `home` (where it lives), `services`
(what is started, and how one knows that it is ready), `supervisor` (starts, restarts, stops),
`restart` (when to restart, as a pure state machine), `guard` (no child outlives its supervisor).
"""
