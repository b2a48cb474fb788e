"""Subscriptions: mail for readers and commenters, and the addresses that they have confirmed."""
