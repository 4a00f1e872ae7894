"""What a Grafana is started with: data sources, dashboards, alert rules, by organisation."""
