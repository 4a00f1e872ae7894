"""The HTTP API of the regulator's side. A router per subject; `app` puts them together."""
