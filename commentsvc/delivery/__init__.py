"""Delivery: the outbox, its worker, and the ways out of the service."""
