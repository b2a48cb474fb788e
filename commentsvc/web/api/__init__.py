"""Handlers of the JSON API and of feeds."""
