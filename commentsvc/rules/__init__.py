"""Moderation rules: what is checked, and what it decides."""
