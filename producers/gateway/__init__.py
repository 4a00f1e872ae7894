"""The HTTP gateway: telemetry of platforms that have no Kafka client. `livewatch-push gateway`."""
