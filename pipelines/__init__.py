"""What the regulator runs: a pure core and the thin shells around it.

`core` folds batches into windows, indicators and flags; it knows no clock, no network and no
framework. `agents` are the Faust shells, `sinks` and `warehouse` the way into ClickHouse.
"""
