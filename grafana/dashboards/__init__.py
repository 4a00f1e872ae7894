"""Dashboards as code: one definition, Grafana's classic JSON in Chinese and in English."""
