"""Moderation rules: their kinds, evaluation and management."""
