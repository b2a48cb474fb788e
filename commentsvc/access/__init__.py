"""API keys, moderators, sessions, permissions and rate limits."""
