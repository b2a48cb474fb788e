"""The audit log, its verification, and changes that can be undone."""
