"""The spool: what was accepted lies on disk until Kafka has acknowledged it.

One SQLite file in a directory of its own, one process at a time, any number of threads.

    from producers.spool import Lane, Spool, SpoolLimits, table_entries

    spool = Spool.open(Path("spool"), SpoolLimits(max_bytes=1 << 30), now_ms)
    spool.register("p01", "gw-1", partitions=8)
    entries = table_entries("p01", "gw-1", rows, sample, partitions=8)
    spool.append(entries, now_ms, timeout_s=0.5)   # returns: durable. Raises SpoolFull: not taken

`Sender` (producers/sender.py) seals, sends and removes what was acknowledged:

    with Sender(spool, bootstrap, SenderPolicy(), signer):
        ...

1. `append` puts entries (some rows of one lane) into the file. When it returns they survive a
   kill -9; threads that come together share one commit.
2. `seal` gives waiting entries their identity, (source, epoch, topic, partition, sequence), and
   is written with fsync before anything is sent.
3. `pending` and `load` hand sealed batches out, oldest first; `done` removes them.
"""

from producers.spool.entries import Entry, Lane, row_entry, table_entries
from producers.spool.errors import SpoolBusy, SpoolCorrupt, SpoolError, SpoolFull
from producers.spool.status import LaneStatus, SpoolStatus, read_status
from producers.spool.store import Pending, Spool, SpoolLimits

__all__ = [
    "Entry",
    "Lane",
    "LaneStatus",
    "Pending",
    "Spool",
    "SpoolBusy",
    "SpoolCorrupt",
    "SpoolError",
    "SpoolFull",
    "SpoolLimits",
    "SpoolStatus",
    "read_status",
    "row_entry",
    "table_entries",
]
