"""Start-up, maintenance, key rotation and health checks."""
