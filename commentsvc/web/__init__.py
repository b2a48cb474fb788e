"""HTTP and HTML. Read ``routes`` first: it lists all endpoints."""
