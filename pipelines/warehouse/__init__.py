"""The way into ClickHouse: migrations, and blocks made straight from arrays."""
