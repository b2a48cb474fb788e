"""Run the command line as ``python -m commentsvc``."""

from commentsvc.cli.main import main

raise SystemExit(main())
