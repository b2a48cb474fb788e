"""Read the archives of other comment systems, and write our own."""
