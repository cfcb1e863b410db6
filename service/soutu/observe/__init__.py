"""What the service tells about itself: logs, metrics, stage timings; and the one clock."""
