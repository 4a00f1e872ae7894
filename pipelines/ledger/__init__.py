"""The ledger's shells: its topic, its tables, the clerk, evidence, and the commands."""
