"""Exit codes that a supervisor understands."""

EX_TEMPFAIL = 75
"""Start me again: a hole in the log, or Kafka, does not mend while this process lives."""

EX_CONFIG = 78
"""Do not start me again as I am: the kept state was written by another version."""
