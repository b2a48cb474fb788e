"""``python -m commentsvc`` is the command line."""

from commentsvc.cli.main import main

raise SystemExit(main())
