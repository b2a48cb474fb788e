"""Privacy: export and erase the data of one person, and delete what is older than the operator wants."""
