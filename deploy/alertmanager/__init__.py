"""Alertmanager's configuration, made from the code lists: `python -m deploy.alertmanager`."""
