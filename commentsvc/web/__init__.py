"""Everything that knows HTTP and HTML. ``routes`` is the whole surface on one page: read it first."""
