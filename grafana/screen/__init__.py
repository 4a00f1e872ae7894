"""The local screen: draws the committed dashboards from ClickHouse, read-only."""
