"""A headless comment service for blogs.

ARCHITECTURE.md describes the packages and their layers. ``web.routes`` lists all endpoints, ``cli.parser`` all
commands and ``config`` all settings; ``app`` joins the parts.
"""

__version__ = "0.1.0"
