"""Which site and thread a request means; managing sites."""
