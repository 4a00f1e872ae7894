"""The nine dashboards, one file each."""
