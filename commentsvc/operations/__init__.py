"""Starting the service and keeping it healthy."""
