"""What the host knows of its requests, and whom it tells: logs, metrics, StatsD and traces."""
