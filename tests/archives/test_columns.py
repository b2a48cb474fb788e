"""Every table and column of the schema is in an archive, or left out for a reason."""

import re

from commentsvc.storage import archive_rows, contacts
from commentsvc.storage.schema import read_schema

COMPUTED = "it is computed again"
# Tables of an archive, with their columns there.
ARCHIVED = {
    "site": archive_rows.SITE_COLUMNS,
    "site_origin": "origin, site_id",
    "moderator": "id, name, created_at, removed_at",
    "moderator_site": "moderator_id, site_id",
    "rule": archive_rows.RULE_COLUMNS,
    "thread": archive_rows.THREAD_COLUMNS,
    "thread_name": "site_id, thread_id, name, given",
    "comment": archive_rows.COMMENT_COLUMNS,
    "contact": contacts.COLUMNS,
    "decision": archive_rows.DECISION_COLUMNS,
    "revision": archive_rows.REVISION_COLUMNS,
    "report": archive_rows.REPORT_COLUMNS,
    "imported": "site_id, source, source_id, comment_id",
}
LEFT_OUT = {
    "site.rules_version": "random for each database",
    "site.closes_after_days": "of its rules",
    "moderator.email_sealed": "the way to sign in",
    "moderator.email_digest": "the way to sign in",
    **{f"thread.{name}": COMPUTED for name in ("approved", "pending", "spam", "trash", "reported")},
    "thread.version": "of the ETags of one database",
    "comment.row_digest": COMPUTED,
    "contact.row_digest": COMPUTED,
    "contact.spam_score": COMPUTED,
    "decision.seq": "decisions are in order",
}
OTHER_TABLES = {
    **dict.fromkeys(
        ("installation", "schema_step", "server", "search_cleanup", "backup", "directory"), "of a database"
    ),
    **dict.fromkeys(("lost_key", "rate_limit", "submission", "used_token", "channel_record"), "of a running service"),
    **dict.fromkeys(("api_key", "session", "invitation", "decision_link", "queue_feed"), "a secret for access"),
    **dict.fromkeys(("webhook", "event", "parcel", "moderator_mail", "preference"), "who is told, and what is sent"),
    **dict.fromkeys(("address", "subscription", "confirmation", "verified_author"), "people asked this service only"),
    **dict.fromkeys(("action", "action_item", "action_target", "audit"), "undo and the audit log end at a move"),
    **dict.fromkeys(("site_total", "arrival_total", "thread_total", "wait_total", "rule_total"), COMPUTED),
    **dict.fromkeys(("comment_search", "thread_search"), COMPUTED),
    "spam_filter": "learned again from the decisions",
    **dict.fromkeys(("memory", "memory_key", "memory_state"), "of the decisions"),
    "memory": "of the decisions",
    "hook_verdict": "what another program said; the decisions that came of it are archived",
    "import_job": "its file is in a folder of one server",
}


def tables_of_schema():
    script = re.sub(r"--[^\n]*", "", read_schema())
    found = re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)^\)", script, re.DOTALL | re.MULTILINE)
    columns = re.compile(r"^ +([a-z_]+) +(?:TEXT|BIGINT|INTEGER|BLOB|REAL)\b", re.MULTILINE)
    return {name: set(columns.findall(body)) for name, body in found}


def test_every_column_of_an_archived_table_is_in_its_lines():
    tables = tables_of_schema()
    missing = {
        f"{table}.{column}"
        for table, listed in ARCHIVED.items()
        for column in tables[table] - set(re.split(r",\s*", listed))
    }
    assert missing == set(LEFT_OUT)


def test_every_table_is_in_an_archive_or_left_out_for_a_reason():
    assert set(tables_of_schema()) == set(ARCHIVED) | set(OTHER_TABLES)
