"""A city's live commerce, made up: sessions, samples and injected anomalies from one seed."""
