"""The moderation page: everything on it is a form, and works without script."""
