"""What a platform runs: anonymise, batch by shard, write down, send. Imports only `schemas`."""
