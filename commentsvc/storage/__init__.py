"""All SQL: two drivers, one SQL dialect, and one module for each table."""
