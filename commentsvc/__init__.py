"""commentsvc takes the comments of a blog's readers, keeps them, and lets moderators decide.

The files beside this one are the nouns (``model``) and the verbs (``posting``, ``reading``,
``moderating``, ``administering``). The folders are the doors: ``web`` knows HTTP and HTML,
``store`` knows SQL. ``app`` joins them; ``cli`` is where an operator comes in.
"""

__version__ = "0.1.0"
