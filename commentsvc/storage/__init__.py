"""Everything that knows SQL: two drivers, one SQL text, a file a table."""
