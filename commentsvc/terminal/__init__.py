"""Everything that knows a person at a terminal: what is shown, which key was pressed, and what that does."""
