"""One module for each format of an archive. ``registry.py`` lists them."""
