"""Signing keys of a platform or a gateway: `livewatch-push keys`."""
