"""The moderation queue, decisions, replies and threads."""
