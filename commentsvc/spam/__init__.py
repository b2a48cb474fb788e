"""Spam: what earlier decisions say about a new comment."""
