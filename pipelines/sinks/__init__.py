"""Where the stages write: ClickHouse and the dead-letter topics."""
