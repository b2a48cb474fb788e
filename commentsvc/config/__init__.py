"""Settings: what they are, and how they are read from the environment."""

from typing import Final

PREFIX: Final = "COMMENTSVC_"  # of every variable
