"""Errors of archives."""


class UnreadableArchive(Exception):  # noqa: N818 -- named after what is wrong
    """The archive cannot be read. The text says why, and what to do."""
