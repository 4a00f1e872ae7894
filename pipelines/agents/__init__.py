"""Faust shells around the pure core: reading, the checkpoint protocol, emitting."""
