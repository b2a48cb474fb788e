"""Fixtures about starting the program."""

import pytest

from commentsvc.storage import schema


@pytest.fixture
def newer_program(monkeypatch, tmp_path):
    """Return a function that upgrades this program by one migration step."""

    def upgrade(script="ALTER TABLE site ADD COLUMN motto TEXT;"):
        steps = schema.list_steps()
        step = tmp_path / "0002_motto.sql"
        step.write_text(script, encoding="utf-8")
        monkeypatch.setattr(schema, "list_steps", lambda: steps | {2: step})
        schema.newest_step.cache_clear()

    def downgrade():
        monkeypatch.undo()
        schema.newest_step.cache_clear()

    upgrade.undo = downgrade
    yield upgrade
    downgrade()
