"""``python -m commentsvc`` is the command line."""

from commentsvc.cli import main

raise SystemExit(main())
