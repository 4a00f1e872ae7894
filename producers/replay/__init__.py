"""Replay of counts from a file: real series through the same way as telemetry."""
