"""Processes of the service: the parent, its workers, and systemd above them."""
