"""Writing, editing, reading and reporting comments: what blog readers do."""
