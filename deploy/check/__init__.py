"""What must hold after a run, each as a small reusable check; the fault suites use them, too.

ledger_vs_sql   every produced row is stored once, and nothing else
indicators      the closed figures equal a recomputation from the raw rows
flags           the injected spikes were found, and what else was raised
latency         from the moment a row was due to the moment it was stored
orphans         no process outlives its stack
"""
