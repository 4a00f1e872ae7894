"""Detectors on recorded series: `livewatch backtest`."""
