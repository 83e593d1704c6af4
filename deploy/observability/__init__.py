"""Alerts for Prometheus and a dashboard for Grafana, made from the gateway's table of metrics."""
